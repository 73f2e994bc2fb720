// Errors of commands come as `{code, message}`.

import { PlatformError } from '../platform';

export function failure(error: unknown): PlatformError {
  if (typeof error === 'object' && error !== null && 'message' in error && typeof error.message === 'string') {
    const code = 'code' in error && typeof error.code === 'string' ? error.code : 'other';
    return new PlatformError(code, error.message);
  }
  // A command that the window may not call, or arguments that the shell could not read.
  return new PlatformError('other', String(error));
}
