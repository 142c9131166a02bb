// Drives a server with types made from its OpenAPI document: node client.js URL KEY
// Prints what it saw as JSON. It never compiles where the document says something else.
import createClient from "openapi-fetch";
import type { components, paths } from "./starport.js";

type RunSummary = components["schemas"]["RunSummary"];

const PATIENCE_MS = 60_000; // far more than a run here takes; a machine may be busy

const [baseUrl, key] = process.argv.slice(2);
if (!baseUrl || !key) throw new Error("usage: client.js URL KEY");
const starport = createClient<paths>({ baseUrl, headers: { "X-API-Key": key } });

/** The answer of a request that was not refused. */
function granted<T>({ data, error }: { data?: T; error?: unknown }): T {
  if (data === undefined) throw new Error(`refused: ${JSON.stringify(error)}`);
  return data;
}

async function until(runId: string, status: RunSummary["status"]): Promise<RunSummary> {
  const deadline = Date.now() + PATIENCE_MS;
  for (;;) {
    const params = { path: { run_id: runId } };
    const run = granted(await starport.GET("/v1/runs/{run_id}", { params }));
    if (run.status === status) return run;
    if (Date.now() > deadline) throw new Error(`waited in vain: ${JSON.stringify(run)}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

const started = granted(
  await starport.POST("/v1/runs", {
    body: { graph_id: "approval", inputs: { goal: "!say We ship on Friday." } },
  }),
);
const path = { run_id: started.run_id };

await until(started.run_id, "awaiting-input");
granted(
  await starport.POST("/v1/runs/{run_id}/respond", {
    params: { path },
    body: { response: { decision: "approve" } },
  }),
);
const done = await until(started.run_id, "done");
const { state } = granted(await starport.GET("/v1/runs/{run_id}/state", { params: { path } }));
const page = granted(await starport.GET("/v1/runs", { params: { query: { limit: 1000 } } }));

const unknown = await starport.GET("/v1/runs/{run_id}", { params: { path: { run_id: "nope" } } });

console.log(
  JSON.stringify({
    run_id: done.run_id,
    graph_id: done.graph_id,
    state,
    listed: page.items.map((run) => run.run_id),
    refusal: [unknown.response.status, unknown.error?.detail],
  }),
);

/** What the types must refuse; the compiler objects to every line here that it has no quarrel with. */
export async function mistakes(): Promise<void> {
  // @ts-expect-error there is no such path
  await starport.GET("/v1/rums");
  // @ts-expect-error a run needs a graph
  await starport.POST("/v1/runs", { body: { inputs: {} } });
  // @ts-expect-error a limit is a number
  await starport.GET("/v1/runs", { params: { query: { limit: "ten" } } });
  // @ts-expect-error there is no such status
  await until("", "finished");
  // @ts-expect-error a summary has no such field
  done.colour;
}
