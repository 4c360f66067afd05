/** Who is signed in, as the identity token says it. */
export interface Session {
  accessToken: string;
  idToken: string;
  /** The account's id; empty for an operator, who belongs to none. */
  account: string;
  role: string;
  operator: boolean;
  name: string;
  /** Milliseconds since 1970. */
  expires: number;
}

const key = "switchboard.session";
type Listener = () => void;
const listeners = new Set<Listener>();
let session = read();
let ended = false;

// A tab's own storage: a reload stays signed in, closing the tab signs out, other tabs never see it.
function read(): Session | null {
  try {
    const found = JSON.parse(sessionStorage.getItem(key) ?? "null") as Session | null;
    return found && found.expires > Date.now() ? found : null;
  } catch {
    return null;
  }
}

function changed() {
  for (const listener of listeners) {
    listener();
  }
}

export function currentSession(): Session | null {
  return session;
}

export function currentToken(): string {
  return session?.accessToken ?? "";
}

export function subscribe(listener: Listener): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

export function setSession(next: Session | null) {
  session = next;
  ended = false;
  if (next) {
    sessionStorage.setItem(key, JSON.stringify(next));
  } else {
    sessionStorage.removeItem(key);
  }
  changed();
}

/** Called when the gateway does not take the token any more. */
export function sessionEnded() {
  setSession(null);
  ended = true;
}

/** Whether the last session ended by itself rather than by signing out. */
export function hasEnded(): boolean {
  return ended;
}
