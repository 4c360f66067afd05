import { useMutation } from "@tanstack/react-query";
import { useCallback, useState } from "react";
import { api, ask, idOf, type ExtensionRange } from "../api/client";
import { namesOf, useRanges, useRefresh, useSites } from "../api/queries";
import { useAccountId } from "../session/hooks";
import { Button } from "../ui/controls";
import { ModalDialog } from "../ui/dialog";
import { formatCount } from "../ui/format";
import { Icon } from "../ui/icons";
import { Meter } from "../ui/meter";
import { Empty, Problem, Waiting } from "../ui/notice";
import { useSay } from "../ui/toast";
import { useTitle } from "../ui/title";
import { AddRangeDialog } from "./extensions/add-range";
import { LookUp } from "./extensions/look-up";
import { RangeMap } from "./extensions/range-map";

/** The extension ranges of every site, each as a map of its numbers. */
export default function Extensions() {
  useTitle("Extensions");
  const ranges = useRanges();
  const sites = namesOf(useSites().data);
  const [open, setOpen] = useState("");
  const [picked, setPicked] = useState({ number: "", times: 0 });
  const pick = useCallback((number: string) => setPicked((old) => ({ number, times: old.times + 1 })), []);
  const [adding, setAdding] = useState(false);
  const [deleting, setDeleting] = useState<ExtensionRange | null>(null);
  const shown = ranges.data?.find((r) => r.name === open) ?? ranges.data?.[0];
  return (
    <section className="page">
      <header className="page-header">
        <h1>Extensions</h1>
        <Button look="primary" onPress={() => setAdding(true)}>
          <Icon name="plus" /> Add range
        </Button>
      </header>
      <Problem error={ranges.error} retry={() => void ranges.refetch()} />
      {ranges.isPending && <Waiting />}
      {ranges.data?.length === 0 && (
        <Empty title="No ranges yet">
          <p>Extensions are given out from the ranges of a site. Add one to begin.</p>
        </Empty>
      )}
      <ul className="cards">
        {ranges.data?.map((range) => (
          <li key={range.name} className={range === shown ? "card chosen" : "card"}>
            <div className="card-head">
              <h2 className="number">
                {range.from}–{range.to}
              </h2>
              <Button
                look={range === shown ? "quiet" : "plain"}
                isDisabled={range === shown}
                onPress={() => setOpen(range.name)}
              >
                {range === shown ? "Shown below" : "Show map"}
              </Button>
            </div>
            <p className="muted">{sites.get(range.name.slice(0, range.name.indexOf("/extensionRanges")))}</p>
            <Meter
              label="In use"
              used={Number(range.used)}
              of={Number(range.size)}
              words={`${formatCount(range.used)} of ${formatCount(range.size)}`}
            />
          </li>
        ))}
      </ul>
      {shown && (
        <>
          <LookUp key={picked.times} picked={picked.number} />
          <RangeMap key={shown.name} range={shown} onPick={pick} />
          <div className="form-actions">
            <Button onPress={() => setDeleting(shown)}>
              Delete range {shown.from}–{shown.to}
            </Button>
          </div>
        </>
      )}
      {adding && <AddRangeDialog onClose={() => setAdding(false)} />}
      {deleting && <DeleteRangeDialog range={deleting} onClose={() => setDeleting(null)} />}
    </section>
  );
}

function DeleteRangeDialog({ range, onClose }: { range: ExtensionRange; onClose: () => void }) {
  const account = useAccountId();
  const refresh = useRefresh();
  const say = useSay();
  const site = range.name.split("/")[3] ?? "";
  const remove = useMutation({
    mutationFn: () =>
      ask(
        api.DELETE("/v1/accounts/{account}/sites/{site}/extensionRanges/{extensionRange}", {
          params: { path: { account, site, extensionRange: idOf(range.name) } },
        }),
      ),
    onSuccess: async () => {
      await refresh("ranges", "extensions");
      say(`The range ${range.from}–${range.to} is deleted.`);
      onClose();
    },
  });
  return (
    <ModalDialog
      alert
      title="Delete range"
      onClose={onClose}
      footer={
        <>
          <Button onPress={onClose}>Cancel</Button>
          <Button look="danger" isPending={remove.isPending} onPress={() => remove.mutate()}>
            Delete
          </Button>
        </>
      }
    >
      <p>
        No new extensions will be given out from {range.from}–{range.to}.
      </p>
      <Problem error={remove.error} />
    </ModalDialog>
  );
}
