// Fingerprints of the sample agents, made as the samples make them.
const random = (/** @type {number} */ seed) => {
  let state = seed >>> 0;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
};
const fingerprint = (/** @type {number} */ seed) => {
  const next = random(seed * 7919 + 1);
  return Array.from({ length: 32 }, () => Math.floor(next() * 256).toString(16).toUpperCase().padStart(2, '0')).join(':');
};
export const AGENTS = { BUILD: fingerprint(11), NIGHT: fingerprint(14), RESEARCH: fingerprint(12) };
