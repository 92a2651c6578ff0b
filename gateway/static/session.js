// Who the guest is: the token of the link they came by. It lives in this tab's session and never in an address.

const NAME = "bellhop.token";

/** Storage may be switched off; then the page works until it is reloaded. */
function guarded(storage) {
  const memory = new Map();
  return {
    get(name) {
      try { return storage().getItem(name); } catch { return memory.get(name) ?? null; }
    },
    set(name, value) {
      try { storage().setItem(name, value); } catch { memory.set(name, value); }
    },
    drop(name) {
      try { storage().removeItem(name); } catch { memory.delete(name); }
    },
  };
}

export const ofTab = guarded(() => window.sessionStorage);
export const ofBrowser = guarded(() => window.localStorage);

function claimsOf(token) {
  try {
    const bytes = Uint8Array.from(atob(token.split(".")[1].replace(/-/g, "+").replace(/_/g, "/")), (c) => c.charCodeAt(0));
    const claims = JSON.parse(new TextDecoder().decode(bytes));
    return claims.role === "guest" && claims.property && claims.sub && claims.stay_from && claims.stay_to ? claims : null;
  } catch {
    return null;
  }
}

/** Take what came with the address out of it at once: the token, and what a PSP's redirect added. */
export function arrive() {
  const said = new URLSearchParams(location.hash.startsWith("#token=") ? location.hash.slice(1) : "");
  if (said.has("token")) ofTab.set(NAME, said.get("token"));
  if (said.has("token") || location.search) {
    history.replaceState(null, "", location.pathname + (said.has("token") ? "" : location.hash));
  }
}

/** The token and what it says, unchecked: for showing only, the gateway checks it. Null without one. */
export function session() {
  const token = ofTab.get(NAME);
  const claims = token && claimsOf(token);
  return claims ? { token, property: claims.property, guest: claims.sub, from: claims.stay_from, to: claims.stay_to } : null;
}

/** The gateway no longer takes the token. */
export const forget = () => ofTab.drop(NAME);
