/** A file that was checked, kept until it is imported. */
export interface ImportFile {
  name: string;
  /** Base64. */
  csv: string;
  mode: "UPSERT" | "ASSIGN_ONLY";
}

// In memory only: after a reload, the file has to be chosen again.
const files = new Map<string, ImportFile>();

export function keepFile(operation: string, file: ImportFile) {
  files.clear();
  files.set(operation, file);
}

export function keptFile(operation: string): ImportFile | undefined {
  return files.get(operation);
}

const lastKey = "switchboard.last-import";

/** Remembers, in this tab, which import was started last, so that there is a way back to it from elsewhere. */
export function rememberImport(account: string, id: string) {
  sessionStorage.setItem(lastKey, JSON.stringify({ account, id }));
}

/** The id of the import of this account that was started last; undefined if none was. */
export function lastImport(account: string): string | undefined {
  const last = JSON.parse(sessionStorage.getItem(lastKey) ?? "{}") as { account?: string; id?: string };
  return last.account === account ? last.id : undefined;
}
