// A worker of your own, complete and without a framework or a package: see docs/bring-your-own.md.
import fs from "node:fs";
import http from "node:http";
import { env, version } from "node:process";
import { setTimeout as sleep } from "node:timers/promises";

const about = {
  engine: "plain-node", versions: { node: version },
  recovery: "native", intake: "durable", any_pod_answers: false, kinds: ["say", "tools", "parallel"],
};
const properties = Object.fromEntries(["agent", "path", "value"].map((name) => [name, { type: "string" }]));
const parameters = { type: "object", properties, required: Object.keys(properties) };
const tools = [{ type: "function", function: { name: "record", parameters } }];
const file = `${env.ONCEPROOF_STATE_DIR}/journal.jsonl`; // The folder outlives this process.
const journal = fs.openSync(file, "a+");
const known = new Map(); // agent -> Map of "program", "1.t0", ..., "end"

function learn(agent, name, value) {
  known.set(agent, (known.get(agent) ?? new Map()).set(name, value));
}

function keep(agent, name, value) { // Written down before it is used: one write survives SIGKILL.
  fs.writeSync(journal, JSON.stringify([agent, name, value]) + "\n");
  learn(agent, name, value);
}

async function once(agent, name, url, body) { // What is on file; else asked for, and put on file.
  const headers = { "Content-Type": "application/json" };
  for (let tries = 0; tries < 1000 && !known.get(agent).has(name); tries++) {
    try {
      const answer = await fetch(url, { method: "POST", headers, body: JSON.stringify(body) });
      if (answer.ok) keep(agent, name, await answer.json()); // A 429 says when to ask again.
      else await sleep(Number(answer.headers.get("retry-after-ms") ?? 1000) + 10);
    } catch { await sleep(500); }
  }
  return known.get(agent).get(name);
}

async function converse(agent, step, answers) {
  const content = step.prompt.replace(/\{answer:([^{}\s]+)\}/g, (_, path) => answers[path]);
  const messages = [{ role: "user", content }];
  const body = { model: "mock-1", messages, ...(step.kind === "tools" && { tools }) };
  for (let turn = 0; turn <= step.turns; turn++) {
    const url = `${env.OPENAI_BASE_URL}/chat/completions`;
    const { message } = (await once(agent, `${step.path}.t${turn}`, url, body)).choices[0];
    messages.push(message);
    for (const call of message.tool_calls ?? []) {
      const effect = JSON.parse(call.function.arguments); // agent, path, value
      effect.key = `${agent}/${effect.path}`; // Makes a second call harmless.
      const { receipt } = await once(agent, effect.path, env.ONCEPROOF_EFFECTS_URL, effect);
      messages.push({ role: "tool", tool_call_id: call.id, content: receipt });
    }
  }
  return messages.at(-1).content;
}

async function sequence(agent, steps, answers) {
  for (const step of steps) {
    if (step.kind === "parallel")
      await Promise.all(step.branches.map((branch) => sequence(agent, branch, answers)));
    else answers[step.path] = await converse(agent, step, answers);
  }
  return answers[steps.at(-1).path];
}

async function run(agent) { // From the first step on; what is on file is not done again.
  const output = await sequence(agent, known.get(agent).get("program").steps, {});
  keep(agent, "end", { status: "completed", output });
}

const written = fs.readFileSync(file, "utf8"); // A line that a kill cut off was never used.
const whole = written.slice(0, written.lastIndexOf("\n") + 1);
fs.ftruncateSync(journal, Buffer.byteLength(whole));
for (const line of whole.split("\n").filter(Boolean)) learn(...JSON.parse(line));
for (const [agent, facts] of known) if (!facts.has("end")) run(agent);

http.createServer(async (request, response) => { // GET /healthz, /about, /agents/{id}; POST /agents.
  const body = (await request.toArray()).join("");
  const [views, facts] = [{ "/healthz": { ready: true }, "/about": about }, known.get(request.url.slice(8))];
  if (facts) views[request.url] = facts.get("end") ?? { status: "running", output: "" };
  if (request.url === "/agents") {
    const { agent, program } = JSON.parse(body);
    views["/agents"] = { agent };
    if (!known.has(agent)) run(agent, keep(agent, "program", program));
  }
  response.statusCode = request.url === "/agents" ? 202 : views[request.url] ? 200 : 404;
  response.end(JSON.stringify(views[request.url] ?? null));
}).listen(Number(env.ONCEPROOF_PORT), "127.0.0.1");
