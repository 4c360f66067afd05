// Signing in: the authorization code flow of OpenID Connect with PKCE, by oauth4webapi.
import * as oauth from "oauth4webapi";
import { currentSession, setSession } from "./store";

interface Config {
  issuer: string;
  clientId: string;
  scope: string;
}

/** What has to be remembered while the person is at the issuer. */
interface Pending {
  verifier: string;
  state: string;
  nonce: string;
  returnTo: string;
}

const pendingKey = "switchboard.signing-in";

async function connect() {
  const answer = await fetch("/portal/config.json", { cache: "no-store" });
  const config = (await answer.json()) as Config;
  if (!config.issuer) {
    throw new Error("No sign-in is configured. Whoever runs this names an issuer in the gateway’s setting portal.issuer.");
  }
  const issuer = new URL(config.issuer);
  // Plain HTTP is for the local stack; whoever configures the gateway decides.
  const options = { [oauth.allowInsecureRequests]: issuer.protocol === "http:" };
  const server = await oauth.processDiscoveryResponse(issuer, await oauth.discoveryRequest(issuer, options));
  return { config, server, options, client: { client_id: config.clientId } satisfies oauth.Client };
}

const redirectURI = () => `${location.origin}/signed-in`;

/** Sends the browser to the issuer's sign-in page; afterwards it comes back to returnTo. */
export async function beginSignIn(returnTo: string): Promise<void> {
  const { config, server } = await connect();
  if (!server.authorization_endpoint) {
    throw new Error("The issuer has no sign-in page.");
  }
  const pending: Pending = {
    verifier: oauth.generateRandomCodeVerifier(),
    state: oauth.generateRandomState(),
    nonce: oauth.generateRandomNonce(),
    returnTo,
  };
  const address = new URL(server.authorization_endpoint);
  const parameters = {
    response_type: "code",
    client_id: config.clientId,
    redirect_uri: redirectURI(),
    scope: config.scope,
    state: pending.state,
    nonce: pending.nonce,
    code_challenge: await oauth.calculatePKCECodeChallenge(pending.verifier),
    code_challenge_method: "S256",
  };
  for (const [name, value] of Object.entries(parameters)) {
    address.searchParams.set(name, value);
  }
  sessionStorage.setItem(pendingKey, JSON.stringify(pending));
  location.assign(address);
}

/** Exchanges what the issuer sent back for a session. Returns where the person wanted to go. */
export async function completeSignIn(address: URL): Promise<string> {
  const pending = JSON.parse(sessionStorage.getItem(pendingKey) ?? "null") as Pending | null;
  if (!pending) {
    throw new Error("This page opens after signing in. Please sign in again.");
  }
  const { server, client, options } = await connect();
  const parameters = oauth.validateAuthResponse(server, client, address, pending.state);
  const answer = await oauth.authorizationCodeGrantRequest(
    server,
    client,
    oauth.None(),
    parameters,
    redirectURI(),
    pending.verifier,
    options,
  );
  const tokens = await oauth.processAuthorizationCodeResponse(server, client, answer, {
    expectedNonce: pending.nonce,
    requireIdToken: true,
  });
  sessionStorage.removeItem(pendingKey);
  const claims: Record<string, unknown> = oauth.getValidatedIdTokenClaims(tokens) ?? {};
  const text = (name: string) => (typeof claims[name] === "string" ? claims[name] : "");
  setSession({
    accessToken: tokens.access_token,
    idToken: tokens.id_token ?? "",
    account: text("account"),
    role: text("role"),
    operator: claims["operator"] === true,
    name: text("name") || text("email") || text("sub"),
    expires: Date.now() + (tokens.expires_in ?? 3600) * 1000,
  });
  return pending.returnTo;
}

/** Forgets the session, here and at the issuer where it offers that. */
export async function signOut(): Promise<void> {
  const idToken = currentSession()?.idToken ?? "";
  setSession(null);
  sessionStorage.clear();
  const { server } = await connect();
  if (!server.end_session_endpoint) {
    return;
  }
  const address = new URL(server.end_session_endpoint);
  address.searchParams.set("id_token_hint", idToken);
  address.searchParams.set("post_logout_redirect_uri", `${location.origin}/signed-out`);
  location.assign(address);
}
