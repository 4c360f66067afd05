import { useSyncExternalStore } from "react";
import { currentSession, subscribe, type Session } from "./store";

/** Who is signed in, or null. */
export function useSession(): Session | null {
  return useSyncExternalStore(subscribe, currentSession);
}

/** Whether the pages are for this person: owners and administrators of the account, and operators. */
export function useMayManage(): boolean {
  const session = useSession();
  return session?.operator === true || session?.role === "OWNER" || session?.role === "ADMIN";
}

const chosenKey = "switchboard.operator.account";

/** The account that an operator works on; operators belong to none. */
export function chooseAccount(id: string) {
  sessionStorage.setItem(chosenKey, id);
}

/** The id of the account that the pages are about; empty for an operator who has chosen none. */
export function useAccountId(): string {
  const session = useSession();
  return session?.account || (session?.operator ? (sessionStorage.getItem(chosenKey) ?? "") : "");
}
