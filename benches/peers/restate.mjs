// A Restate server and a handler of 1 → 4 → 1 durable steps that do nothing, registered with it.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { createServer } from "node:net";
import * as http2 from "node:http2";
import { createRequire } from "node:module";
import * as restate from "@restatedev/restate-sdk";

// The SDK counts on it; Node 20 has it not.
Promise.withResolvers ??= function () {
  const parts = {};
  parts.promise = new Promise((resolve, reject) => Object.assign(parts, { resolve, reject }));
  return parts;
};

async function freePort() {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address();
  await new Promise((closed) => server.close(closed));
  return port;
}

const bench = restate.service({
  name: "bench",
  handlers: {
    run: async (ctx) => {
      await ctx.run("first", () => "first");
      await restate.RestatePromise.all(["a", "b", "c", "d"].map((name) => ctx.run(name, () => name)));
      return ctx.run("last", () => "last");
    },
  },
});
const handler = http2.createServer(restate.createEndpointHandler({ services: [bench] }));
handler.listen(0, "127.0.0.1");
await once(handler, "listening");

const [ingress, admin, node] = [await freePort(), await freePort(), await freePort()];
// The package's own launcher does not hand signals on, so the program itself is started.
const program = createRequire(import.meta.url).resolve(
  `@restatedev/restate-server-${process.platform}-${process.arch}/bin/restate-server`,
);
const server = spawn(
  program,
  ["--base-dir", process.env.BASE_DIR, "--node-name", "bench"],
  {
    stdio: "ignore",
    env: {
      ...process.env,
      RESTATE_INGRESS__BIND_ADDRESS: `127.0.0.1:${ingress}`,
      RESTATE_ADMIN__BIND_ADDRESS: `127.0.0.1:${admin}`,
      RESTATE_BIND_ADDRESS: `127.0.0.1:${node}`,
      RESTATE_ADVERTISED_ADDRESS: `http://127.0.0.1:${node}`,
      RESTATE_DISABLE_TELEMETRY: "true",
      RESTATE_LOG_FILTER: "error",
    },
  },
);
for (const signal of ["SIGTERM", "SIGINT"]) process.on(signal, () => server.kill("SIGKILL"));
server.on("exit", (code) => process.exit(code ?? 1));

async function register() {
  const response = await fetch(`http://127.0.0.1:${admin}/deployments`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ uri: `http://127.0.0.1:${handler.address().port}` }),
  });
  if (!response.ok) throw new Error(await response.text());
}
for (let left = 150; ; left--) {
  try {
    await register();
    break;
  } catch (error) {
    if (left === 0) throw error;
    await new Promise((later) => setTimeout(later, 200));
  }
}
console.log(`http://127.0.0.1:${ingress}/bench/run`);
