// What a busy server refuses, asked again after a while.

const TRIES = 6;
const LONGEST = 60; // seconds

// act: asks. signal: ends the waiting too.
export async function patiently(act, signal) {
  for (let tries = 1; ; tries++) {
    try {
      return await act();
    } catch (error) {
      if (![408, 429, 503].includes(error.status) || tries === TRIES) throw error;
      await pause(Math.min(LONGEST, Math.max(error.wait, 0.5 * 2 ** tries)), signal);
    }
  }
}

function pause(seconds, signal) {
  return new Promise((resolve, reject) => {
    signal.throwIfAborted();
    const timer = setTimeout(resolve, 1000 * seconds);
    signal.addEventListener("abort", () => {
      clearTimeout(timer);
      reject(signal.reason);
    }, { once: true });
  });
}
