// A page that is opened from the disk may start no worker. Its script then runs in a hidden frame, with the same messages.
if (location.protocol === "file:") {
  window.Worker = class extends EventTarget {
    constructor(address) {
      super();
      const frame = Object.assign(document.createElement("iframe"), { hidden: true, srcdoc: "<!doctype html>" });
      this.isReady = new Promise((ready) => {
        frame.addEventListener("load", () => {
          const inside = frame.contentWindow;
          inside.postMessage = (data) => this.answer(data);
          const script = inside.document.createElement("script");
          Object.assign(script, { src: new URL(address, document.baseURI), onload: () => ready(inside) });
          inside.document.body.append(script);
        }, { once: true });
      });
      document.body.append(frame);
    }
    answer(data) {
      const event = new MessageEvent("message", { data });
      this.onmessage?.(event);
      this.dispatchEvent(event);
    }
    postMessage(data) {
      this.isReady.then((inside) => inside.dispatchEvent(new MessageEvent("message", { data })));
    }
    terminate() {}
  };
}
