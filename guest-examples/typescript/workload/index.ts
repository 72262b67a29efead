// An HTTP server: `wasi:http/proxy`, by the fetch event.

/** What the engine calls a request's event. */
interface FetchEvent extends Event {
  readonly request: Request;
  respondWith(response: Response | Promise<Response>): void;
}

addEventListener("fetch", (event) => {
  const { request, respondWith } = event as FetchEvent;
  const { pathname } = new URL(request.url);
  respondWith.call(event, new Response(`hello from TypeScript, asked for ${pathname}\n`));
});

export {};
