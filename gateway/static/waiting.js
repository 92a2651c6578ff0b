// Pauses that end early when trying again makes sense: the network is back, or the guest looks again.

/** Resolves after some milliseconds, or as soon as the page is online or visible again, or the signal is given. */
export function pause(ms, signal) {
  return new Promise((resolve) => {
    const done = () => {
      clearTimeout(timer);
      window.removeEventListener("online", done);
      document.removeEventListener("visibilitychange", seen);
      signal?.removeEventListener("abort", done);
      resolve();
    };
    const seen = () => { if (!document.hidden) done(); };
    const timer = setTimeout(done, ms);
    if (signal?.aborted) done();
    window.addEventListener("online", done);
    document.addEventListener("visibilitychange", seen);
    signal?.addEventListener("abort", done);
  });
}

/** Milliseconds before try number `attempt` (from 0): 1 s, 2 s, 4 s … 10 s, or what the server asked for. */
export const backoff = (attempt, retryAfter) => (retryAfter ? retryAfter * 1000 : Math.min(10000, 1000 * 2 ** attempt));
