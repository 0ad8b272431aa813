// A receiver as one would write it by hand: verifies the HMAC, commits the body to MariaDB, then answers.
import { createHmac, timingSafeEqual } from "node:crypto";
import Fastify from "fastify";
import mysql from "mysql2/promise";

const pool = mysql.createPool({ uri: process.env.DATABASE_URL, connectionLimit: 16 });
await pool.query(
  "CREATE TABLE IF NOT EXISTS delivery (guid VARCHAR(64) PRIMARY KEY, event VARCHAR(64) NOT NULL, body LONGBLOB NOT NULL)",
);

const app = Fastify({ logger: false, bodyLimit: 25 << 20 });
app.addContentTypeParser("application/json", { parseAs: "buffer" }, (_request, body, done) => done(null, body));
app.post("/webhook", async (request, reply) => {
  const signature = Buffer.from(request.headers["x-hub-signature-256"] ?? "");
  const expected = Buffer.from(`sha256=${createHmac("sha256", process.env.SECRET).update(request.body).digest("hex")}`);
  if (signature.length !== expected.length || !timingSafeEqual(signature, expected)) {
    return reply.code(401).send();
  }
  await pool.execute("INSERT INTO delivery (guid, event, body) VALUES (?, ?, ?)", [
    request.headers["x-github-delivery"],
    request.headers["x-github-event"],
    request.body,
  ]);
  return reply.code(202).send({});
});
console.log(`${await app.listen({ port: 0, host: "127.0.0.1" })}/webhook`);
