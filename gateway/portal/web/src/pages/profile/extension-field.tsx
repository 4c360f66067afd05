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
    queryFn: async ({ signal }): Promise<Verdict> => {
      const { extensions } = await ask(
        api.POST("/v1/accounts/{account}/extensions:check", {
          params: { path: { account } },
          body: { numbers: [settled, ...neighboursOf(settled)], site: p.site },
          signal,
        }),
      );
      const [wished, ...around] = extensions;
      const holder = wished?.holder && wished.holder !== p.name ? await nameOf(account, wished.holder, signal) : "";
      return {
        ...describe(wished, holder),
        alternatives: around.filter((e) => e.state === "FREE").slice(0, alternativesShown),
      };
    },
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
  const verdict = differs && settled === wish ? check.data : undefined;
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
      {verdict && !verdict.free && verdict.alternatives.length > 0 && (
        <div className="alternatives" role="group" aria-label="Free extensions nearby">
          <span className="hint">Free nearby:</span>
          {verdict.alternatives.map((e) => (
            <Button key={e.number} className="number" onPress={() => setWish(e.number)}>
              {e.number}
            </Button>
          ))}
        </div>
      )}
      <Problem error={change.error ?? check.error} />
    </form>
  );
}

interface Verdict {
  free: boolean;
  words: string;
  /** Free numbers, the nearest first. */
  alternatives: Extension[];
}

const alternativesShown = 3;
const neighbourhood = 400;

/** Numbers around one, with as many digits, the nearest first; none around what is no extension. */
function neighboursOf(number: string): string[] {
  if (!/^\d{2,10}$/.test(number)) {
    return [];
  }
  return Array.from({ length: neighbourhood }, (_, i) => Number(number) + (i % 2 ? -1 : 1) * (Math.floor(i / 2) + 1))
    .filter((n) => n >= 0)
    .map((n) => String(n).padStart(number.length, "0"))
    .filter((n) => n.length === number.length);
}

/** Who that is. The number is taken all the same where that cannot be told. */
function nameOf(account: string, holder: string, signal: AbortSignal): Promise<string> {
  return ask(
    api.GET("/v1/accounts/{account}/phoneUsers/{phoneUser}", {
      params: { path: { account, phoneUser: idOf(holder) } },
      signal,
    }),
  ).then(
    (found) => found.displayName,
    () => "",
  );
}

function describe(e: Extension | undefined, holder: string): { free: boolean; words: string } {
  switch (e?.state) {
    case "FREE":
      return { free: true, words: `${e.number} is free.` };
    case "ASSIGNED":
      return { free: false, words: `${e.number} belongs to ${holder || "somebody else"}.` };
    case "HELD":
      return { free: false, words: `${e.number} is kept for ${holder || "somebody"}, who is in the trash.` };
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
