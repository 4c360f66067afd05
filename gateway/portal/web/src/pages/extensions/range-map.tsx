import { useQueries, useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { api, ask, type ExtensionLease, type ExtensionRange } from "../../api/client";
import { useAccountId, useSession } from "../../session/hooks";
import { Button, Toggle } from "../../ui/controls";
import { formatCount } from "../../ui/format";
import { Problem } from "../../ui/notice";
import { PlainTable } from "../../ui/plain-table";
import { Block } from "./block";
import { looks, numbersFrom, runsOf } from "./states";

// What the API takes in one call.
const blockSize = 1000;
const blocksShown = 10;

/** A range as a picture: one cell a number, in blocks of a thousand, ten blocks at a time. */
export function RangeMap({ range, onPick }: { range: ExtensionRange; onPick: (number: string) => void }) {
  const account = useAccountId();
  const [page, setPage] = useState(0);
  const [asTable, setAsTable] = useState(false);
  const size = Number(range.size);
  const first = Number(range.from) + page * blockSize * blocksShown;
  const left = size - page * blockSize * blocksShown;
  const blocks = Array.from({ length: Math.min(blocksShown, Math.ceil(left / blockSize)) }, (_, i) => ({
    first: String(first + i * blockSize).padStart(range.from.length, "0"),
    count: Math.min(blockSize, left - i * blockSize),
  }));
  const answers = useQueries({
    queries: blocks.map((block) => ({
      queryKey: ["extensions", account, block.first, block.count],
      queryFn: async ({ signal }: { signal: AbortSignal }) =>
        (
          await ask(
            api.POST("/v1/accounts/{account}/extensions:check", {
              params: { path: { account } },
              body: { numbers: numbersFrom(block.first, block.count) },
              signal,
            }),
          )
        ).extensions,
    })),
  });
  const leases = useLeases(range.name);
  const extensions = answers.flatMap((a) => a.data ?? []);
  const pages = Math.ceil(size / blockSize / blocksShown);
  return (
    <section className="map" aria-labelledby="map-heading">
      <div className="map-head">
        <h2 id="map-heading">
          Map of {range.from}–{range.to}
        </h2>
        <Toggle label="As a table" isSelected={asTable} onChange={setAsTable} />
      </div>
      <Problem error={answers.find((a) => a.error)?.error} />
      <Legend leases={leases.length > 0} />
      <Leases leases={leases} />
      {asTable ? (
        <Runs runs={runsOf(extensions)} />
      ) : (
        blocks.map((block, index) => (
          <Block
            key={block.first}
            first={block.first}
            count={block.count}
            extensions={answers[index]?.data}
            leases={leases}
            onPick={onPick}
          />
        ))
      )}
      {pages > 1 && (
        <div className="form-actions">
          <Button isDisabled={page === 0} onPress={() => setPage(page - 1)}>
            Lower numbers
          </Button>
          <span>
            Part {page + 1} of {formatCount(pages)}
          </span>
          <Button isDisabled={page === pages - 1} onPress={() => setPage(page + 1)}>
            Higher numbers
          </Button>
        </div>
      )}
    </section>
  );
}

/** Blocks of the range that replicas hand numbers out of at this moment; only operators may see them. */
function useLeases(range: string) {
  const operator = useSession()?.operator === true;
  const leases = useQuery({
    queryKey: ["leases"],
    queryFn: async ({ signal }) =>
      (await ask(api.GET("/v1/extensionLeases", { params: { query: { pageSize: 1000 } }, signal }))).extensionLeases,
    enabled: operator,
    refetchInterval: 5000,
  });
  return (leases.data ?? []).filter((lease) => lease.extensionRange === range);
}

const leasesShown = 8;

/** The leased blocks in words. */
function Leases({ leases }: { leases: ExtensionLease[] }) {
  if (leases.length === 0) {
    return null;
  }
  return (
    <ul className="found" aria-label="Leased blocks">
      {leases.slice(0, leasesShown).map((lease) => (
        <li key={lease.from}>
          <b className="number">
            {lease.from}–{lease.to}
          </b>{" "}
          {formatCount(lease.free)} free, leased to {lease.holder}
        </li>
      ))}
      {leases.length > leasesShown && <li>and {leases.length - leasesShown} more</li>}
    </ul>
  );
}

function Legend({ leases }: { leases: boolean }) {
  return (
    <ul className="legend" aria-label="Legend">
      {Object.entries(looks).map(([state, look]) => (
        <li key={state}>
          <span className={`swatch ${state.toLowerCase()}`} aria-hidden="true" /> {look.label}
        </li>
      ))}
      {leases && (
        <li>
          <span className="swatch leased" aria-hidden="true" /> leased block
        </li>
      )}
    </ul>
  );
}

function Runs({ runs }: { runs: ReturnType<typeof runsOf> }) {
  return (
    <PlainTable
      label="Numbers of the range"
      rows={runs}
      rowKey={(run) => run.from}
      columns={[
        { header: "Numbers", number: true, cell: (run) => (run.from === run.to ? run.from : `${run.from}–${run.to}`) },
        { header: "How many", number: true, cell: (run) => formatCount(run.count) },
        { header: "State", cell: (run) => looks[run.state]?.label ?? run.state },
      ]}
    />
  );
}
