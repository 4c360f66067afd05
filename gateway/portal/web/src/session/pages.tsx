import { useEffect, useRef, useState } from "react";
import { useNavigate, useSearchParams } from "react-router";
import { Button } from "../ui/controls";
import { Waiting } from "../ui/notice";
import { useTitle } from "../ui/title";
import { beginSignIn, completeSignIn } from "./oidc";
import { hasEnded } from "./store";

function explain(error: unknown): string {
  return error instanceof Error && error.message ? error.message : "Signing in did not work.";
}

/** Only addresses of the portal itself are gone to. */
function safe(to: string | null): string {
  return to && /^\/(?![/\\])/.test(to) ? to : "/";
}

export function SignIn() {
  useTitle("Sign in");
  const [parameters] = useSearchParams();
  const [error, setError] = useState("");
  const [busy, setBusy] = useState(false);
  const start = () => {
    setBusy(true);
    beginSignIn(safe(parameters.get("to"))).catch((e: unknown) => {
      setError(explain(e));
      setBusy(false);
    });
  };
  return (
    <section className="card hero">
      <img src="/favicon.svg" alt="" width="48" height="48" />
      <h1>Switchboard</h1>
      <p>
        {hasEnded()
          ? "Your session has ended. Sign in to go on where you were."
          : "Phone licences, extensions and packages of your organisation."}
      </p>
      {error && (
        <div className="notice danger" role="alert">
          <p>{error}</p>
        </div>
      )}
      <Button look="primary" onPress={start} isPending={busy}>
        Sign in
      </Button>
    </section>
  );
}

/** Where the issuer sends people back to. */
export function SignedIn() {
  useTitle("Signing in");
  const navigate = useNavigate();
  const [error, setError] = useState("");
  const begun = useRef(false);
  useEffect(() => {
    // A code works once, whatever the framework does to effects.
    if (begun.current) {
      return;
    }
    begun.current = true;
    completeSignIn(new URL(location.href))
      .then((to) => navigate(safe(to), { replace: true }))
      .catch((e: unknown) => setError(explain(e)));
  }, [navigate]);
  if (!error) {
    return <Waiting label="Signing in" />;
  }
  return (
    <section className="card hero">
      <h1>Signing in did not work</h1>
      <div className="notice danger" role="alert">
        <p>{error}</p>
      </div>
      <Button look="primary" onPress={() => void navigate("/sign-in", { replace: true })}>
        Try again
      </Button>
    </section>
  );
}

export function SignedOut() {
  useTitle("Signed out");
  const navigate = useNavigate();
  return (
    <section className="card hero">
      <h1>You are signed out</h1>
      <p>Nothing of yours is left in this browser tab.</p>
      <Button look="primary" onPress={() => void navigate("/sign-in")}>
        Sign in again
      </Button>
    </section>
  );
}
