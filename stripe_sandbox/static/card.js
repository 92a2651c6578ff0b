// The card form inside the frame. Card details never reach the page around it: the form confirms by itself
// and passes on only what the API answers.
(() => {
  "use strict";

  const form = document.getElementById("card");
  const inputs = { number: form.elements.number, expiry: form.elements.expiry, cvc: form.elements.cvc };
  const digits = (input) => input.value.replace(/\D/g, "");
  let port = null;

  function passesLuhn(number) {
    const sum = [...number].reverse().reduce((total, digit, place) => {
      const value = Number(digit) * (place % 2 ? 2 : 1);
      return total + (value > 9 ? value - 9 : value);
    }, 0);
    return number.length >= 12 && sum % 10 === 0;
  }

  const isAmex = () => /^3[47]/.test(digits(inputs.number));

  function expiry() {
    const typed = digits(inputs.expiry);
    return { month: Number(typed.slice(0, 2)), year: 2000 + Number(typed.slice(2, 4)), complete: typed.length === 4 };
  }

  // One problem per field, or null: [code, what to tell the guest].
  const checks = {
    number() {
      const number = digits(inputs.number);
      if (number.length < (isAmex() ? 15 : 16)) return ["incomplete_number", "Your card number is incomplete."];
      return passesLuhn(number) ? null : ["invalid_number", "Your card number is invalid."];
    },
    expiry() {
      const { month, year, complete } = expiry();
      if (!complete) return ["incomplete_expiry", "Your card's expiry date is incomplete."];
      if (month < 1 || month > 12) return ["invalid_expiry_month", "Your card's expiry month is invalid."];
      const now = new Date();
      const past = new Date(year, month, 1) <= now;
      return past ? ["invalid_expiry_year_past", "Your card's expiry date is in the past."] : null;
    },
    cvc() {
      const enough = digits(inputs.cvc).length >= (isAmex() ? 4 : 3);
      return enough ? null : ["incomplete_cvc", "Your card's security code is incomplete."];
    },
  };

  function show(name, problem) {
    inputs[name].setAttribute("aria-invalid", problem ? "true" : "false");
    document.getElementById(`${name}-error`).textContent = problem ? problem[1] : "";
    tellHeight();
  }

  function firstProblem() {
    let first = null;
    for (const name of Object.keys(checks)) {
      const problem = checks[name]();
      show(name, problem);
      if (problem && !first) {
        first = problem;
        inputs[name].focus();
      }
    }
    return first && { type: "validation_error", code: first[0], message: first[1] };
  }

  const tell = (message) => port && port.postMessage(message);
  const tellHeight = () => tell({ event: "height", height: form.offsetHeight });

  function tellChange() {
    const filled = Object.values(inputs).filter((input) => input.value !== "");
    const complete = Object.values(checks).every((check) => check() === null);
    tell({ event: "change", detail: { complete, empty: filled.length === 0, value: { type: "card" }, collapsed: false } });
  }

  function groupDigits(input, format) {
    // Only while typing at the end: reformatting in the middle would move the caret.
    if (input.selectionStart !== input.value.length) return;
    input.value = format(digits(input), input.value);
  }

  inputs.number.addEventListener("input", () => {
    groupDigits(inputs.number, (typed) => (isAmex()
      ? [typed.slice(0, 4), typed.slice(4, 10), typed.slice(10, 15)].filter(Boolean).join(" ")
      : typed.slice(0, 19).replace(/(\d{4})(?=\d)/g, "$1 ")));
  });
  inputs.expiry.addEventListener("input", (event) => {
    const deleting = (event.inputType || "").startsWith("delete");
    groupDigits(inputs.expiry, (typed, value) => {
      const padded = /^[2-9]$/.test(typed) ? `0${typed}` : typed;
      if (padded.length < 2 || (deleting && padded.length === 2)) return padded === typed ? value : padded;
      return `${padded.slice(0, 2)} / ${padded.slice(2, 4)}`;
    });
  });
  inputs.cvc.addEventListener("input", () => groupDigits(inputs.cvc, (typed) => typed));

  for (const [name, input] of Object.entries(inputs)) {
    input.addEventListener("input", () => {
      show(name, null);
      tellChange();
    });
    input.addEventListener("focus", () => tell({ event: "focus" }));
    input.addEventListener("blur", () => {
      if (input.value !== "") show(name, checks[name]());
      tell({ event: "blur" });
    });
  }
  form.addEventListener("submit", (event) => event.preventDefault());

  async function confirm({ key, account, intentId, params }) {
    const problem = firstProblem();
    if (problem) return { error: problem };
    const { month, year } = expiry();
    const card = {
      "payment_method_data[type]": "card",
      "payment_method_data[card][number]": digits(inputs.number),
      "payment_method_data[card][exp_month]": String(month),
      "payment_method_data[card][exp_year]": String(year),
      "payment_method_data[card][cvc]": digits(inputs.cvc),
    };
    try {
      const response = await fetch(`/v1/payment_intents/${encodeURIComponent(intentId)}/confirm`, {
        method: "POST",
        headers: { Authorization: `Bearer ${key}`, ...(account && { "Stripe-Account": account }) },
        body: new URLSearchParams({ ...params, ...card }),
      });
      const body = await response.json();
      return response.ok ? { paymentIntent: body } : { error: body.error };
    } catch {
      const message = "The payment service could not be reached. Check the connection and try again.";
      return { error: { type: "api_connection_error", message } };
    }
  }

  const calls = {
    confirm,
    validate: () => ({ error: firstProblem() || undefined }),
    focus: () => inputs.number.focus(),
    clear: () => {
      form.reset();
      Object.keys(inputs).forEach((name) => show(name, null));
      tellChange();
    },
    appearance: applyAppearance,
  };

  function applyAppearance({ theme, variables = {} }) {
    const root = document.documentElement;
    if (theme === "night") root.dataset.theme = "dark";
    else if (theme === "stripe" || theme === "flat") root.dataset.theme = "light";
    else delete root.dataset.theme;
    const names = {
      colorPrimary: "--primary",
      colorBackground: "--back",
      colorText: "--text",
      colorDanger: "--danger",
      borderRadius: "--radius",
      fontFamily: "--font",
    };
    for (const [name, property] of Object.entries(names)) {
      if (variables[name]) root.style.setProperty(property, variables[name]);
    }
    tellHeight();
  }

  window.addEventListener("message", (event) => {
    if (event.source !== window.parent || !event.data || event.data.stripeSandbox !== "connect" || port) return;
    [port] = event.ports;
    port.onmessage = async ({ data }) => {
      const result = await calls[data.call](data.args || {});
      port.postMessage({ event: "result", id: data.id, result });
    };
    new ResizeObserver(tellHeight).observe(form);
    tell({ event: "ready" });
  });
})();
