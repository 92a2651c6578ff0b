// What a tab and a browser keep, and the token that came with the address.

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

/** What a token says, unchecked: for showing only, the server checks it. Empty for what is no token. */
export function claimsOf(token) {
  try {
    const bytes = Uint8Array.from(atob(token.split(".")[1].replace(/-/g, "+").replace(/_/g, "/")), (c) => c.charCodeAt(0));
    return JSON.parse(new TextDecoder().decode(bytes)) ?? {};
  } catch {
    return {};
  }
}

/** Keep the token of an address that ends with `#token=…` in this tab. Returns whether there was one. */
export function keepToken(name) {
  const said = new URLSearchParams(location.hash.startsWith("#token=") ? location.hash.slice(1) : "");
  if (said.has("token")) ofTab.set(name, said.get("token"));
  return said.has("token");
}
