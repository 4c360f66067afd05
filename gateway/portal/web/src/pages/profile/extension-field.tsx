import { useMutation, useQuery } from "@tanstack/react-query";
import { useEffect, useState, type FormEvent } from "react";
import { api, ask, idOf, type Extension, type PhoneUser } from "../../api/client";
import { useRefresh } from "../../api/queries";
import { useAccountId } from "../../session/hooks";
import { Button, TextField } from "../../ui/controls";
import { formatTime } from "../../ui/format";
import { Problem } from "../../ui/notice";
import { useSay } from "../../ui/toast";

const pause = 250;

/** The text, once it has stayed the same for a moment. */
function useSettled(text: string): string {
  const [settled, setSettled] = useState(text);
  useEffect(() => {
    const timer = setTimeout(() => setSettled(text), pause);
    return () => clearTimeout(timer);
  }, [text]);
  return settled;
}

/** Shows the extension, and changes it; whether a wished number can be had is said while it is typed. */
export function ExtensionField({ phoneUser: p, readOnly }: { phoneUser: PhoneUser; readOnly: boolean }) {
  const account = useAccountId();
  const refresh = useRefresh();
  const say = useSay();
  const [wish, setWish] = useState(p.extensionNumber);
  const settled = useSettled(wish);
  const differs = wish !== p.extensionNumber && wish !== "";
  const check = useQuery({
    queryKey: ["extensionCheck", account, settled, p.site],
    queryFn: async ({ signal }) =>
      (
        await ask(
          api.POST("/v1/accounts/{account}/extensions:check", {
            params: { path: { account } },
            body: { numbers: [settled], site: p.site },
            signal,
          }),
        )
      ).extensions[0],
    enabled: settled !== p.extensionNumber && settled !== "",
    staleTime: 0,
  });
  const change = useMutation({
    mutationFn: () =>
      ask(
        api.PATCH("/v1/accounts/{account}/phoneUsers/{phoneUser}", {
          params: { path: { account, phoneUser: idOf(p.name) }, query: { updateMask: "extensionNumber" } },
          body: { extensionNumber: wish, etag: p.etag },
        }),
      ),
    onSuccess: async (now) => {
      await refresh();
      say(`${now.displayName} has extension ${now.extensionNumber} now.`);
    },
  });
  const found = differs && settled === wish ? check.data : undefined;
  const verdict = found && describe(found);
  const submit = (event: FormEvent) => {
    event.preventDefault();
    change.mutate();
  };
  return (
    <form onSubmit={submit} className="extension-form">
      <TextField
        label="Extension"
        value={wish}
        inputMode="numeric"
        maxLength={10}
        isReadOnly={readOnly}
        onChange={(v) => setWish(v.trim())}
        hint={
          <span aria-live="polite" className={verdict ? (verdict.free ? "free" : "taken") : undefined}>
            {verdict?.words ?? (differs ? "Looking whether it is free …" : "Colleagues reach this phone by it.")}
          </span>
        }
      />
      {!readOnly && (
        <Button type="submit" look="primary" isDisabled={!verdict?.free} isPending={change.isPending}>
          Change
        </Button>
      )}
      <Problem error={change.error ?? check.error} />
    </form>
  );
}

function describe(e: Extension): { free: boolean; words: string } {
  switch (e.state) {
    case "FREE":
      return { free: true, words: `${e.number} is free.` };
    case "ASSIGNED":
      return { free: false, words: `${e.number} belongs to somebody else.` };
    case "HELD":
      return { free: false, words: `${e.number} is kept for somebody in the trash.` };
    case "QUARANTINED":
      return { free: false, words: `${e.number} was given up and is kept out of use until ${formatTime(e.quarantineTime)}.` };
    case "RESERVED":
      return { free: false, words: `${e.number} is reserved.` };
    case "OUT_OF_RANGE":
      return { free: false, words: `${e.number} lies in no range of the site.` };
    default:
      return { free: false, words: "An extension has 2 to 10 digits." };
  }
}
