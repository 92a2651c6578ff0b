// Sending a cart until the answer is known.

import { backoff, pause } from "./waiting.js";

/**
 * The order that the cart becomes. Sent again and again with the same key while there is no answer, so it is placed
 * once; `waiting` is called before each new try. Throws the problem when it is refused; the cart is the guest's again.
 */
export async function place(api, cart, { waiting, signal }) {
  const { key, lines } = cart.send();
  for (let attempt = 0; !signal.aborted; attempt += 1) {
    let retryAfter;
    try {
      const answer = await api.place(key, lines);
      if (answer.status === 201) {
        cart.settle(key);
        return answer.body;
      }
      ({ retryAfter } = answer);
    } catch (problem) {
      // An expired session leaves the cart sent: a guest who returns with a new link gets the answer.
      if (!problem.isTemporary && problem.status !== 401) cart.release(key);
      if (!problem.isTemporary) throw problem;
      ({ retryAfter } = problem);
    }
    waiting();
    await pause(backoff(attempt, retryAfter), signal);
  }
  return null;
}
