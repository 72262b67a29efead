// An HTTP server: `wasi:http/proxy`, by the fetch event.

addEventListener("fetch", (event) => {
  const { pathname } = new URL(event.request.url);
  event.respondWith(new Response(`hello from JavaScript, asked for ${pathname}\n`));
});
