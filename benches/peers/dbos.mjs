// A DBOS workflow of 1 → 4 → 1 steps that do nothing, behind HTTP: the answer comes when the workflow has ended.
import { createServer } from "node:http";
import { DBOS } from "@dbos-inc/dbos-sdk";

DBOS.setConfig({ name: "bench", systemDatabaseUrl: process.env.PEERS_POSTGRES_URL, logLevel: "error", runAdminServer: false });
const step = (name) => DBOS.runStep(async () => name, { name });
const graph = DBOS.registerWorkflow(
  async () => {
    await step("first");
    await Promise.allSettled(["a", "b", "c", "d"].map(step));
    return step("last");
  },
  { name: "graph" },
);
await DBOS.launch();

const server = createServer(async (request, response) => {
  request.resume();
  try {
    response.end(JSON.stringify(await graph()));
  } catch (error) {
    response.writeHead(500).end(String(error));
  }
});
server.listen(0, "127.0.0.1", () => console.log(`http://127.0.0.1:${server.address().port}/run`));
