import { useMutation } from "@tanstack/react-query";
import { useState } from "react";
import { DropZone, FileTrigger } from "react-aria-components";
import { Link, useNavigate, useParams } from "react-router";
import { api, ask, idOf } from "../api/client";
import { download } from "../api/operation";
import { useAccountId, useSession } from "../session/hooks";
import { Button, Select } from "../ui/controls";
import { Icon } from "../ui/icons";
import { Notice, Problem } from "../ui/notice";
import { useTitle } from "../ui/title";
import { keepFile, lastImport, type ImportFile } from "./import/files";
import { Report } from "./import/report";

const exampleFile = "email,site,package,template,extension,phone_numbers\nada@example.com,,Domestic,,,\n";

/** Import: licences for any number of people and rooms by a file, first as a dry run. */
export default function Import() {
  useTitle("Import");
  const { operation } = useParams();
  const account = useAccountId();
  const operator = useSession()?.operator;
  const [problem, setProblem] = useState<unknown>(null);
  const save = (path: string, name: string) => download(path, name).then(() => setProblem(null), setProblem);
  return (
    <section className="page medium">
      <header className="page-header">
        <h1>Import</h1>
        <Button onPress={() => void save(`/v1/accounts/${account}/phoneUsers:export`, "phone-users.csv")}>
          Export phone users
        </Button>
      </header>
      <Problem error={problem} />
      {operation ? (
        <Report key={operation} id={operation} onDownload={save} />
      ) : operator ? (
        <Notice>Importing gives licences, which is for owners and administrators of the account. You may export.</Notice>
      ) : (
        <ChooseFile />
      )}
    </section>
  );
}

function ChooseFile() {
  const account = useAccountId();
  const navigate = useNavigate();
  const [mode, setMode] = useState<ImportFile["mode"]>("UPSERT");
  const check = useMutation({
    mutationFn: async (file: File) => {
      const csv = await base64(file);
      const operation = await ask(
        api.POST("/v1/accounts/{account}/phoneUsers:import", {
          params: { path: { account } },
          body: { csv, mode, validateOnly: true, requestId: crypto.randomUUID() },
        }),
      );
      keepFile(operation.name, { name: file.name, csv, mode });
      return operation;
    },
    onSuccess: (operation) => navigate(`/phone-system/import/${idOf(operation.name)}`),
  });
  const last = lastImport(account);
  const take = (file: File | undefined) => file && check.mutate(file);
  return (
    <div className="stack">
      <p className="lead">
        Assign licences to up to 100,000 people and rooms by a CSV file. First you see what would happen to each row; nothing is
        changed until you start the import.
      </p>
      {last && (
        <Notice>
          <p>
            An import was started here before. It goes on by itself:{" "}
            <Link to={`/phone-system/import/${last}`}>see how far it is, and its result</Link>.
          </p>
        </Notice>
      )}
      <DropZone
        className="drop-zone"
        onDrop={(event) => {
          const item = event.items.find((i) => i.kind === "file");
          if (item?.kind === "file") {
            void item.getFile().then(take);
          }
        }}
      >
        <Icon name="upload" />
        <p>{check.isPending ? "Reading the file …" : "Drop a CSV file here, or"}</p>
        <FileTrigger acceptedFileTypes={[".csv", "text/csv"]} onSelect={(files) => take(files?.[0])}>
          <Button look="primary" isDisabled={check.isPending}>
            Choose a file
          </Button>
        </FileTrigger>
      </DropZone>
      <Problem error={check.error} />
      <Select
        label="People and rooms that have a licence already"
        value={mode}
        onChange={(m) => setMode(m as ImportFile["mode"])}
        choices={[
          { id: "UPSERT", label: "Change them to what the row says", text: "Change them" },
          { id: "ASSIGN_ONLY", label: "Refuse their rows", text: "Refuse their rows" },
        ]}
      />
      <section className="stack">
        <h2>What the file looks like</h2>
        <p>
          One header line, in any order: <code>email</code> or <code>room</code>, and <code>site</code>, <code>package</code>,{" "}
          <code>template</code>, <code>extension</code>, <code>phone_numbers</code> (separated by “;”). An empty cell leaves a
          thing alone, “-” takes it away. A file that was exported here can be imported again.
        </p>
        <pre tabIndex={0} role="region" aria-label="Example file">
          {exampleFile}
        </pre>
      </section>
    </div>
  );
}

/** The file's bytes as base64, as JSON takes them. */
function base64(file: File): Promise<string> {
  return new Promise((resolve, reject) => {
    const reader = new FileReader();
    reader.onload = () => resolve(String(reader.result).split(",")[1] ?? "");
    reader.onerror = () => reject(reader.error ?? new Error("The file cannot be read."));
    reader.readAsDataURL(file);
  });
}
