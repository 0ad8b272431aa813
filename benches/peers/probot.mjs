// A Probot app that does nothing: verifies, parses, calls the handler, answers. Nothing is kept.
import { createServer } from "node:http";
import { generateKeyPairSync } from "node:crypto";
import { createNodeMiddleware, createProbot } from "probot";

const { privateKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
const probot = createProbot({
  overrides: {
    appId: 1,
    privateKey: privateKey.export({ type: "pkcs1", format: "pem" }),
    secret: process.env.SECRET,
    logLevel: "fatal",
  },
});
const middleware = await createNodeMiddleware((app) => app.on("pull_request", async () => {}), {
  probot,
  webhooksPath: "/webhook",
});
const server = createServer(middleware);
server.listen(0, "127.0.0.1", () => console.log(`http://127.0.0.1:${server.address().port}/webhook`));
