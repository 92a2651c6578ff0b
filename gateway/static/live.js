// What happens to one order, as it happens: its event stream, with asking now and then while there is none.

import { Unreachable } from "./http.js";
import { backoff, pause } from "./waiting.js";

const SILENCE_MS = 45000; // the server says something every 15 s
const SAFETY_MS = 10000; // an event may be lost while the broker is down; the order itself is not

/**
 * Watch an order until the signal is given. `tell` gets the order's fields as they change
 * ({status, payment_status, event?, code?, detail?}), the whole order when it was asked for. `fail` gets what is final.
 */
export async function watch(api, orderId, { tell, fail, signal }) {
  let streaming = false;
  const asking = (async () => {
    while (!signal.aborted) {
      await pause(streaming ? SAFETY_MS : 2000, signal);
      if (signal.aborted) return;
      try {
        const order = await api.order(orderId);
        if (!signal.aborted) tell(order);
      } catch (problem) {
        if (!problem.isTemporary && !signal.aborted) return fail(problem);
      }
    }
  })();
  for (let attempt = 0; !signal.aborted; attempt += 1) {
    try {
      await stream(api, orderId, signal, (update) => {
        attempt = 0;
        streaming = true;
        tell(update);
      });
    } catch (problem) {
      if (!signal.aborted && problem.isTemporary === false) break;
    }
    streaming = false;
    if (!signal.aborted) await pause(backoff(attempt), signal);
  }
  return asking;
}

/** Read the event stream of `api.live(orderId)` once, until it ends or the signal is given. */
export async function stream(api, orderId, signal, tell) {
  const own = new AbortController();
  const end = () => own.abort();
  signal.addEventListener("abort", end);
  window.addEventListener("offline", end);
  let timer = setTimeout(end, SILENCE_MS);
  try {
    const response = await api.live(orderId, own.signal);
    const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
    let rest = "";
    for (;;) {
      const { done, value } = await reader.read();
      if (done || own.signal.aborted) return;
      clearTimeout(timer);
      timer = setTimeout(end, SILENCE_MS);
      const blocks = (rest + value).split(/\r?\n\r?\n/);
      rest = blocks.pop();
      blocks.map(parsed).filter(Boolean).forEach(tell);
    }
  } catch (error) {
    throw error.isTemporary === undefined ? new Unreachable(error.message) : error;
  } finally {
    clearTimeout(timer);
    signal.removeEventListener("abort", end);
    window.removeEventListener("offline", end);
    own.abort();
  }
}

function parsed(block) {
  const data = block.split(/\r?\n/).filter((line) => line.startsWith("data:")).map((line) => line.slice(5)).join("\n");
  try {
    return data ? JSON.parse(data) : null;
  } catch {
    return null;
  }
}
