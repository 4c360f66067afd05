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
