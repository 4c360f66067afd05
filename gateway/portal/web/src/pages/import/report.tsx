import { useMutation } from "@tanstack/react-query";
import { useEffect } from "react";
import { ProgressBar, Label } from "react-aria-components";
import { useNavigate } from "react-router";
import { api, ask, idOf } from "../../api/client";
import { useImport, type ImportMetadata, type ImportRow } from "../../api/operation";
import { useRefresh } from "../../api/queries";
import { Refusal, rowInWords } from "../../api/refusal";
import { useAccountId } from "../../session/hooks";
import { Button } from "../../ui/controls";
import { counted, formatCount } from "../../ui/format";
import { Notice, Problem, Waiting } from "../../ui/notice";
import { PlainTable } from "../../ui/plain-table";
import { keptFile, rememberImport } from "./files";

interface Props {
  id: string;
  onDownload: (path: string, name: string) => Promise<void>;
}

/** What an import does, or would do, as it happens. */
export function Report({ id, onDownload }: Props) {
  const account = useAccountId();
  const navigate = useNavigate();
  const refresh = useRefresh();
  const { progress, error } = useImport(id);
  const file = keptFile(`operations/${id}`);
  const finished = progress?.done && !progress.metadata.validateOnly;
  useEffect(() => {
    if (finished) {
      void refresh();
    }
  }, [finished, refresh]);
  const start = useMutation({
    mutationFn: () => {
      if (!file) {
        throw new Error("The file is not here any more.");
      }
      return ask(
        api.POST("/v1/accounts/{account}/phoneUsers:import", {
          params: { path: { account } },
          // The dry run's id makes the import of this very file happen once.
          body: { csv: file.csv, mode: file.mode, requestId: `import-${id}` },
        }),
      );
    },
    onSuccess: (operation) => {
      rememberImport(account, idOf(operation.name));
      void navigate(`/phone-system/import/${idOf(operation.name)}`);
    },
  });
  const cancel = useMutation({
    mutationFn: () => ask(api.POST("/v1/operations/{operation}:cancel", { params: { path: { operation: id } }, body: {} })),
  });
  if (error) {
    return (
      <div className="stack">
        <Problem error={error} />
        <div className="form-actions">
          <Button onPress={() => location.reload()}>Look again</Button>
          <Button look="quiet" onPress={() => void navigate("/phone-system/import")}>
            Another file
          </Button>
        </div>
      </div>
    );
  }
  if (!progress) {
    return <Waiting />;
  }
  const m = progress.metadata;
  const canStart = progress.done && m.validateOnly && file && m.processedCount > m.failedCount;
  return (
    <div className="stack">
      <h2>{title(progress.done, m)}</h2>
      <Progress m={m} done={progress.done} />
      <Counts m={m} />
      {progress.error && <Notice look="warn">{stopped(progress.error.code)}</Notice>}
      {m.validateOnly && progress.done && !file && (
        <Notice>To import this file, choose it again: the browser does not keep it over a reload.</Notice>
      )}
      <div className="form-actions">
        {canStart && (
          <Button look="primary" onPress={() => start.mutate()} isPending={start.isPending}>
            {`Start import of ${counted(m.rowCount, "row", "rows")}`}
          </Button>
        )}
        {!progress.done && (
          <Button onPress={() => cancel.mutate()} isDisabled={m.cancelRequested || cancel.isPending}>
            {m.cancelRequested ? "Stopping …" : "Stop"}
          </Button>
        )}
        {progress.done && (
          <Button onPress={() => void onDownload(`/v1/operations/${id}/rows:export`, "import-result.csv")}>
            Download result file
          </Button>
        )}
        {progress.done && m.failedCount > 0 && (
          <Button onPress={() => void onDownload(`/v1/operations/${id}/rows:export?outcome=FAILED`, "import-refused.csv")}>
            Download refused rows
          </Button>
        )}
        {progress.done && (
          <Button look="quiet" onPress={() => void navigate("/phone-system/import")}>
            Another file
          </Button>
        )}
      </div>
      <Problem error={start.error ?? cancel.error} />
      {m.errors.length > 0 && <Errors rows={m.errors} all={m.failedCount} />}
    </div>
  );
}

function title(done: boolean, m: ImportMetadata): string {
  if (m.validateOnly) {
    return done ? "What this file would do" : "Checking the file";
  }
  return done ? "Import finished" : "Importing";
}

function stopped(code: number | undefined): string {
  return code === 1
    ? "The import was stopped. Rows that are done stay done."
    : "The import ended early. Rows that are done stay done; import the file again for the rest.";
}

function Progress({ m, done }: { m: ImportMetadata; done: boolean }) {
  const share = m.rowCount > 0 ? (m.processedCount / m.rowCount) * 100 : 0;
  const words = `${formatCount(m.processedCount)} of ${counted(m.rowCount, "row", "rows")}`;
  return (
    <ProgressBar className="meter" value={share} valueLabel={words}>
      <div className="meter-head">
        <Label>{done ? "Done" : "Progress"}</Label>
        <span className="meter-words">
          {words}
          {!done && m.rowsPerSecond > 0 && `, ${formatCount(Math.round(m.rowsPerSecond))} a second${timeLeft(m)}`}
        </span>
      </div>
      <div className="meter-track">
        <div className="meter-bar" style={{ width: `${share}%` }} />
      </div>
    </ProgressBar>
  );
}

/** ", about 3 min left", where it takes longer than a moment. */
function timeLeft(m: ImportMetadata): string {
  const seconds = (m.rowCount - m.processedCount) / m.rowsPerSecond;
  return seconds < 60 ? "" : `, about ${formatCount(Math.ceil(seconds / 60))} min left`;
}

function Counts({ m }: { m: ImportMetadata }) {
  const would = m.validateOnly;
  const counts = [
    { label: would ? "would be carried out" : "carried out", value: m.succeededCount },
    { label: would ? "would stay as they are" : "unchanged", value: m.unchangedCount },
    { label: would ? "would be refused" : "refused", value: m.failedCount, bad: m.failedCount > 0 },
    { label: "with a warning", value: m.warningCount },
  ];
  return (
    <ul className="counts">
      {counts.map((c) => (
        <li key={c.label} className={c.bad ? "bad" : undefined}>
          <b>{formatCount(c.value)}</b> {c.label}
        </li>
      ))}
    </ul>
  );
}

function Errors({ rows, all }: { rows: ImportRow[]; all: number }) {
  return (
    <section className="stack tight">
      <h2>Refused rows</h2>
      {all > rows.length && (
        <p className="hint">
          The first {rows.length} of {formatCount(all)}; the result file has all.
        </p>
      )}
      <PlainTable
        label="Refused rows"
        rows={rows}
        rowKey={(row) => row.row}
        columns={[
          { header: "Who", cell: (row) => row.key },
          { header: "Line", number: true, cell: (row) => row.line },
          { header: "Why, and what to do", cell: (row) => rowInWords(Refusal.of(row.error, 400)) },
        ]}
      />
    </section>
  );
}
