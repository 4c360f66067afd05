import { useMutation } from "@tanstack/react-query";
import { api, ask, idOf } from "../../api/client";
import { useRefresh, type PhoneUserRow } from "../../api/queries";
import { useAccountId } from "../../session/hooks";
import { useSay } from "../../ui/toast";

/** Sends the welcome mail again, or the invitation to somebody who has not confirmed yet. */
export function useResendInvite() {
  const account = useAccountId();
  const refresh = useRefresh();
  const say = useSay();
  return useMutation({
    mutationFn: (p: Pick<PhoneUserRow, "name" | "displayName" | "email">) =>
      ask(
        api.POST("/v1/accounts/{account}/phoneUsers/{phoneUser}:resendInvite", {
          params: { path: { account, phoneUser: idOf(p.name) } },
          body: {},
        }),
      ),
    onSuccess: async (_, p) => {
      await refresh("log");
      say(`A new mail is on its way to ${p.email}.`);
    },
  });
}
