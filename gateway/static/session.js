// Who the guest is: the token of the link they came by. It lives in this tab's session and never in an address.

import { claimsOf, keepToken, ofTab } from "./storage.js";

const NAME = "bellhop.token";

/** Take what came with the address out of it at once: the token, and what a PSP's redirect added. */
export function arrive() {
  const hasCome = keepToken(NAME);
  if (hasCome || location.search) history.replaceState(null, "", location.pathname + (hasCome ? "" : location.hash));
}

/** The token and what it says, unchecked: for showing only, the gateway checks it. Null without a guest's. */
export function session() {
  const token = ofTab.get(NAME);
  const { role, property, sub: guest, stay_from: from, stay_to: to } = claimsOf(token);
  return role === "guest" && property && guest && from && to ? { token, property, guest, from, to } : null;
}

/** The gateway no longer takes the token. */
export const forget = () => ofTab.drop(NAME);
