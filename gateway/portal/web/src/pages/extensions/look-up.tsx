import { useMutation, useQuery } from "@tanstack/react-query";
import { useEffect, useRef, useState, type FormEvent } from "react";
import { Link } from "react-router";
import { api, ask, idOf } from "../../api/client";
import { useRefresh } from "../../api/queries";
import { useAccountId } from "../../session/hooks";
import { Button, TextField } from "../../ui/controls";
import { formatTime } from "../../ui/format";
import { Problem } from "../../ui/notice";
import { useSay } from "../../ui/toast";
import { looks, numbersFrom } from "./states";

const most = 1000;

/** "2000" or "2000-2010" as numbers; empty where it is neither. */
function numbersOf(text: string): string[] {
  const found = /^\s*(\d{2,10})(?:\s*[-–]\s*(\d{2,10}))?\s*$/.exec(text);
  const [from, to] = [found?.[1], found?.[2] ?? found?.[1]];
  if (!from || !to || from.length !== to.length || Number(to) < Number(from) || Number(to) - Number(from) >= most) {
    return [];
  }
  return numbersFrom(from, Number(to) - Number(from) + 1);
}

/** Looks numbers up, reserves them, and lets reserved ones be used again. Begins with the number that was picked on the map, if one was. */
export function LookUp({ picked }: { picked: string }) {
  const account = useAccountId();
  const refresh = useRefresh();
  const say = useSay();
  const section = useRef<HTMLElement>(null);
  const [text, setText] = useState(picked);
  const [asked, setAsked] = useState(() => numbersOf(picked));
  const numbers = numbersOf(text);
  useEffect(() => {
    if (picked) {
      section.current?.scrollIntoView({ block: "nearest" });
    }
  }, [picked]);
  const found = useQuery({
    queryKey: ["extensions", account, "look-up", asked],
    queryFn: async ({ signal }) =>
      (
        await ask(
          api.POST("/v1/accounts/{account}/extensions:check", {
            params: { path: { account } },
            body: { numbers: asked },
            signal,
          }),
        )
      ).extensions,
    enabled: asked.length > 0,
  });
  const change = useMutation({
    mutationFn: (what: "reserve" | "unreserve") =>
      ask<unknown>(
        what === "reserve"
          ? api.POST("/v1/accounts/{account}/extensions:reserve", { params: { path: { account } }, body: { numbers: asked } })
          : api.POST("/v1/accounts/{account}/extensions:unreserve", {
              params: { path: { account } },
              body: { numbers: asked },
            }),
      ),
    onSuccess: async (_, what) => {
      await refresh("extensions", "ranges");
      say(what === "reserve" ? "Reserved: nobody is given these numbers." : "These numbers can be given out again.");
    },
  });
  const submit = (event: FormEvent) => {
    event.preventDefault();
    setAsked(numbers);
  };
  const rows = found.data ?? [];
  return (
    <section aria-labelledby="look-up-heading" ref={section}>
      <h2 id="look-up-heading">Look up and reserve</h2>
      <form onSubmit={submit} className="extension-form">
        <TextField
          label="Number, or from–to"
          hint="Such as 2000 or 2000-2010, up to 1,000 numbers; or click a number on the map."
          value={text}
          onChange={setText}
        />
        <Button type="submit" isDisabled={numbers.length === 0}>
          Look up
        </Button>
      </form>
      <Problem error={found.error ?? change.error} names={asked} />
      {rows.length > 0 && (
        <>
          <ul className="found" aria-label="What was looked up">
            {rows.slice(0, 20).map((e) => (
              <li key={e.number}>
                <b className="number">{e.number}</b> {looks[e.state]?.label ?? "in no range"}
                {e.quarantineTime && ` until ${formatTime(e.quarantineTime)}`}
                {e.holder && (
                  <>
                    {" "}
                    <Link to={`/phone-system/users/${idOf(e.holder)}`}>see who</Link>
                  </>
                )}
              </li>
            ))}
            {rows.length > 20 && <li>and {rows.length - 20} more</li>}
          </ul>
          <div className="form-actions">
            <Button
              isDisabled={!rows.every((e) => e.state === "FREE" || e.state === "RESERVED")}
              onPress={() => change.mutate("reserve")}
            >
              Reserve
            </Button>
            <Button isDisabled={!rows.some((e) => e.state === "RESERVED")} onPress={() => change.mutate("unreserve")}>
              Let be used again
            </Button>
          </div>
        </>
      )}
    </section>
  );
}
