// The page that plays the guest's bank. In a frame it tells the page around it when it is done;
// on its own it sends the guest back to the return address, as a bank's redirect would.
(() => {
  "use strict";

  const question = document.getElementById("question");
  const trouble = document.getElementById("trouble");
  const buttons = question.querySelectorAll("button");
  const { intent, secret, amount, currency, returnUrl } = question.dataset;

  const inCurrency = new Intl.NumberFormat(undefined, { style: "currency", currency });
  const decimals = inCurrency.resolvedOptions().maximumFractionDigits;
  document.getElementById("amount").textContent = inCurrency.format(Number(amount) / 10 ** decimals);

  async function answer(outcome) {
    buttons.forEach((button) => { button.disabled = true; });
    trouble.textContent = "";
    try {
      const response = await fetch(`/_sandbox/payment_intents/${intent}/authenticate`, {
        method: "POST",
        headers: { "Content-Type": "application/json" },
        body: JSON.stringify({ outcome, client_secret: secret }),
      });
      const body = await response.json();
      // Answered in another window already: that answer counts.
      if (!response.ok && body.error.code !== "payment_intent_unexpected_state") throw new Error(body.error.message);
      leave(response.ok ? body : body.error.payment_intent);
    } catch (error) {
      trouble.textContent = `That did not work: ${error.message}`;
      buttons.forEach((button) => { button.disabled = false; });
    }
  }

  function leave(after) {
    if (window.parent !== window) {
      window.parent.postMessage({ stripeSandbox: "authenticated" }, "*");
    } else if (returnUrl) {
      const target = new URL(returnUrl);
      target.searchParams.set("payment_intent", intent);
      target.searchParams.set("payment_intent_client_secret", secret);
      target.searchParams.set("redirect_status", after.status === "succeeded" ? "succeeded" : "failed");
      window.location.assign(target);
    } else {
      question.replaceChildren(document.createTextNode("Done. You can close this page."));
    }
  }

  document.getElementById("succeed").addEventListener("click", () => answer("succeed"));
  document.getElementById("fail").addEventListener("click", () => answer("fail"));
})();
