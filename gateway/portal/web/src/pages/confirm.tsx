import { useMutation } from "@tanstack/react-query";
import { api, ask } from "../api/client";
import { Button } from "../ui/controls";
import { Notice, Problem } from "../ui/notice";
import { useTitle } from "../ui/title";
import { useLink } from "./link";

/** Opened by the link in the invitation mail. Confirming is a click and not the opening, because mail filters open links too. */
export default function Confirm() {
  useTitle("Confirm your account");
  const link = useLink();
  return (
    <article className="card public">
      <h1>Confirm your account</h1>
      <Confirmation key={link} values={new URLSearchParams(link)} />
    </article>
  );
}

function Confirmation({ values }: { values: URLSearchParams }) {
  const token = values.get("token") ?? "";
  const [, account, user] = /^accounts\/([\w-]+)\/users\/([\w-]+)$/.exec(values.get("user") ?? "") ?? [];
  const confirm = useMutation({
    mutationFn: () =>
      ask(
        api.POST("/v1/accounts/{account}/users/{user}:confirm", {
          params: { path: { account: account ?? "", user: user ?? "" } },
          body: { token },
        }),
      ),
  });
  return (
    <>
      {!token || !user ? (
        <Notice look="warn">This page opens by the link in the invitation mail.</Notice>
      ) : confirm.data ? (
        <div role="status">
          <Notice look="ok">
            Thank you, {confirm.data.displayName}. Your account is confirmed. A mail with your extension number is on its way;
            you may close this page.
          </Notice>
        </div>
      ) : (
        <>
          <p>Confirm that this account is yours. You then get an extension number, and a mail that tells it.</p>
          <Problem error={confirm.error} />
          <Button look="primary" onPress={() => confirm.mutate()} isPending={confirm.isPending}>
            Confirm my account
          </Button>
        </>
      )}
    </>
  );
}
