// The passkey ceremonies: signing in, enrolling, deciding. Hands bytes between server and authenticator and
// decides nothing. Everything else on these pages works without it.
"use strict";

(() => {
  const fromBase64url = (text) => {
    const plain = text.replaceAll("-", "+").replaceAll("_", "/");
    return Uint8Array.from(atob(plain), (c) => c.charCodeAt(0));
  };

  const toBase64url = (buffer) => {
    let text = "";
    for (const byte of new Uint8Array(buffer)) text += String.fromCharCode(byte);
    return btoa(text).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
  };

  const descriptors = (list) => (list || []).map((one) => ({ type: one.type, id: fromBase64url(one.id) }));

  const create = async (options) => {
    const credential = await navigator.credentials.create({
      publicKey: {
        ...options,
        challenge: fromBase64url(options.challenge),
        user: { ...options.user, id: fromBase64url(options.user.id) },
        excludeCredentials: descriptors(options.excludeCredentials),
      },
    });
    return wrap(credential, {
      clientDataJSON: toBase64url(credential.response.clientDataJSON),
      attestationObject: toBase64url(credential.response.attestationObject),
    });
  };

  const get = async (options) => {
    const credential = await navigator.credentials.get({
      publicKey: {
        ...options,
        challenge: fromBase64url(options.challenge),
        allowCredentials: descriptors(options.allowCredentials),
      },
    });
    const response = credential.response;
    return wrap(credential, {
      clientDataJSON: toBase64url(response.clientDataJSON),
      authenticatorData: toBase64url(response.authenticatorData),
      signature: toBase64url(response.signature),
      userHandle: response.userHandle ? toBase64url(response.userHandle) : null,
    });
  };

  const wrap = (credential, response) => ({
    id: credential.id,
    rawId: toBase64url(credential.rawId),
    type: credential.type,
    response,
  });

  const post = async (address, csrf, body) => {
    const answer = await fetch(address, {
      method: "POST",
      headers: { "content-type": "application/json", "x-csrf-token": csrf },
      credentials: "same-origin",
      redirect: "error",
      body: JSON.stringify(body),
    });
    const said = await answer.json().catch(() => ({ error: "the console gave no answer", hint: "try again" }));
    if (!answer.ok) throw new Error(`${said.error}. Hint: ${said.hint}.`);
    return said;
  };

  const explain = (error) => {
    switch (error.name) {
      case "NotAllowedError":
        return "The passkey was not used: cancelled, timed out, or none of yours fits. Nothing has happened.";
      case "InvalidStateError":
        return "This device already holds one of your passkeys here. Use another device.";
      case "SecurityError":
        return "The browser refuses passkeys at this address. Open the console under its own name.";
      case "TypeError":
        return "The console could not be reached. Nothing has happened; try again.";
      default:
        return error.message;
    }
  };

  const fields = (form, submitter) => {
    const values = {};
    for (const [name, value] of new FormData(form, submitter)) values[name] = value;
    return values;
  };

  const run = async (form, submitter) => {
    const { csrf, start, finish, ceremony, next } = form.dataset;
    const said = form.querySelector("[data-said]");
    const buttons = form.querySelectorAll("button");
    const values = fields(form, submitter);
    const busy = (is) => {
      document.body.toggleAttribute("data-busy", is);
      for (const button of buttons) button.disabled = is;
    };
    busy(true);
    said.textContent = "Waiting for your passkey…";
    said.classList.remove("bad");
    try {
      const asked = await post(start, csrf, values);
      const credential = await (ceremony === "create" ? create : get)(asked.publicKey);
      said.textContent = "Signed. One moment…";
      const done = await post(finish, csrf, { ...values, ...asked, publicKey: undefined, next, credential });
      if (done.carry) {
        // A signature that a person takes elsewhere by hand: there is no page to go on to.
        const carried = form.querySelector("[data-carried]");
        carried.querySelector("textarea").value = done.carry;
        carried.hidden = false;
        said.textContent = "Signed. Nothing is deleted yet.";
        document.body.removeAttribute("data-busy");
        return;
      }
      if (!done.next.startsWith("/") || done.next.startsWith("//")) throw new Error("the console named no page");
      location.assign(done.next);
    } catch (error) {
      said.textContent = explain(error);
      said.classList.add("bad");
      busy(false);
    }
  };

  for (const form of document.querySelectorAll("form[data-ceremony]")) {
    const said = form.querySelector("[data-said]");
    if (!window.PublicKeyCredential) {
      said.textContent = "This browser has no passkeys, or refuses them at this address.";
      continue;
    }
    for (const button of form.querySelectorAll("button")) button.disabled = false;
    // A disabled button could not take it when the page was loaded.
    form.querySelector("button[autofocus]")?.focus();
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      run(form, event.submitter);
    });
  }
})();
