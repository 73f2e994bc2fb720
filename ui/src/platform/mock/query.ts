// What the URL of the browser-only mode asks for, such as `?screen=agents&theme=dark&state=empty&still`.

const query = new URLSearchParams(window.location.search);

export const wanted = {
  screen: query.get('screen'),
  id: query.get('id'),
  theme: query.get('theme'),
  /** `first`, `empty`, `locked`, `missing`, `closed`, `errors`, `hostile`; else a busy desktop. */
  state: query.get('state') ?? 'busy',
  prompt: query.get('prompt') ?? 'tool',
  /** Nothing moves: for screenshots. */
  still: query.has('still'),
  /** The prompt is armed at once. */
  armed: query.has('armed'),
};

/** A moment that passes as a command's way to the host and back. */
export function pause(millis: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, wanted.still ? 0 : millis);
    signal?.addEventListener('abort', () => {
      clearTimeout(timer);
      reject(new DOMException('', 'AbortError'));
    });
  });
}
