interface Violation {
  field: string;
  description: string;
}

interface Detail {
  "@type"?: string;
  reason?: string;
  metadata?: Record<string, string>;
  fieldViolations?: Violation[];
}

/** Why the gateway refused a call: a reason of one enum, its metadata, and per field what is wrong with it. */
export class Refusal extends Error {
  constructor(
    message: string,
    readonly status: number,
    readonly reason: string,
    readonly metadata: Record<string, string> = {},
    readonly violations: Violation[] = [],
  ) {
    super(message);
  }

  /** A refusal out of the body of an answer, whatever that is. */
  static of(body: unknown, status: number): Refusal {
    const answer = (typeof body === "object" && body !== null ? body : {}) as { message?: string; details?: Detail[] };
    const details = Array.isArray(answer.details) ? answer.details : [];
    const detail = (type: string) => details.find((d) => d["@type"]?.endsWith(type));
    const info = detail("google.rpc.ErrorInfo");
    return new Refusal(
      answer.message ?? "",
      status,
      info?.reason ?? (status >= 500 ? "UNAVAILABLE" : ""),
      info?.metadata,
      detail("google.rpc.BadRequest")?.fieldViolations,
    );
  }

  static offline(): Refusal {
    return new Refusal("", 0, "OFFLINE");
  }
}

type Words = string | ((m: Record<string, string>, refusal: Refusal) => string);

/** Every reason in the words of the person in front of the page: what is the matter, and what to do. */
const words: Record<string, Words> = {
  OFFLINE: "There is no connection right now. Check your network and try again.",
  FIELD_INVALID: "Something in the form cannot be used. Correct what is named and try again.",
  BATCH_TOO_LARGE: (m, { violations }) =>
    violations.some(({ field }) => field === "csv")
      ? `The file has ${m["count"] ?? "too many"} rows, and at most ${m["limit"] ?? "so many"} are taken. Import it in parts.`
      : `That is more than ${m["limit"] ?? "is taken"} at a time. Choose fewer, or use Import.`,
  BATCH_EMPTY: "Nothing is chosen. Choose at least one and try again.",
  DUPLICATE_IN_BATCH: "The same one is named twice. Take one of them out and try again.",
  SITE_REQUIRED: "There are several sites. Choose the one to use.",
  EXTENSION_RESERVED: (m) => `Extension ${m["number"] ?? ""} is reserved. Choose another one, or release it under Extensions.`,
  EXTENSION_OUT_OF_RANGE: (m) =>
    `Extension ${m["number"] ?? ""} lies in no range of the site. Choose one inside, or add a range under Extensions.`,
  EXTENSION_INVALID: "An extension has 2 to 10 digits and nothing else.",
  NUMBER_INVALID: (m) => `${m["number"] ?? "This"} is not a phone number with country code, such as +351210000000.`,
  RANGE_OVERLAP: "The range shares numbers with another range of the account. Choose numbers that no range has yet.",
  REQUEST_ID_REUSED: "This step was done before in another way. Reload the page and try again.",
  PAGE_TOKEN_INVALID: "The list has changed. Reload the page.",
  FILTER_INVALID: "This cannot be searched for. Take special characters out and try again.",
  CSV_INVALID: (m) =>
    `The file cannot be read${m["line"] ? `, line ${m["line"]}` : ""}${m["column"] ? `, column ${m["column"]}` : ""}.` +
    (m["suggestion"] ? ` Is the column “${m["suggestion"]}” meant?` : " Correct it and choose it again."),
  BODY_INVALID: "This is too large, or cannot be read. Make it smaller; a long file can be imported in parts.",
  METHOD_NOT_ALLOWED: "The portal and the system behind it do not match. Reload the page and try again.",
  TOKEN_INVALID:
    "This link is not valid any more. Links in mails work for a limited time; ask your administrator to send you a new one.",
  EXTENSION_IN_USE: (m) => {
    const free = (m["alternatives"] ?? "").split(",").filter(Boolean).join(", ");
    return `Extension ${m["number"] ?? ""} is taken.` + (free ? ` Free ones: ${free}.` : " Choose another one.");
  },
  ALREADY_LICENSED: "This person or room has a phone licence already. Take it out of the selection and try again.",
  NOT_DELETED: "This phone user is not in the trash any more. Reload the page.",
  EMAIL_IN_USE: (m) =>
    `Somebody with the address ${m["email"] ?? ""} is in the directory already. Search for the person under Users.`,
  NUMBER_EXISTS: (m) => `The number ${m["number"] ?? ""} is there already. Take it out of the list and try again.`,
  NAME_IN_USE: (m) => `“${m["value"] ?? "This name"}” is taken. Choose another name.`,
  LICENSE_EXHAUSTED: (m) =>
    `Not enough phone licences are free: ${m["assigned"] ?? "?"} of ${m["seats"] ?? "?"} are taken, ${m["requested"] ?? "more"} asked for. ` +
    "Remove licences that are not needed, or ask the platform’s operator for more.",
  EXTENSION_RANGE_EXHAUSTED: (m) =>
    `Not enough extensions are free at the site: ${m["free"] ?? "0"} free, ${m["requested"] ?? "more"} asked for. Add a range under Extensions.`,
  PACKAGE_SEATS_EXHAUSTED: (m) =>
    `The package has not enough seats: ${m["assigned"] ?? "?"} of ${m["seats"] ?? "?"} are taken, ${m["requested"] ?? "more"} asked for. ` +
    "Add seats under Packages, or choose another package.",
  RATE_LIMITED: "That was too often. Wait a moment and try again.",
  LIMIT_REACHED: (m) => `There can be at most ${m["limit"] ?? "so many"} of these. Delete one that is not needed.`,
  TEMPLATE_SITE_MISMATCH: "The template is for another site. Choose another template, or the template’s site.",
  LICENSE_REQUIRED: "There is no active phone licence here. Assign one first.",
  PACKAGE_REQUIRED: "A direct number needs a calling package. Assign a package first.",
  PACKAGE_INACTIVE: "The package is inactive. Choose another one, or activate it under Packages.",
  NUMBER_NOT_AVAILABLE: (m) => `The number ${m["number"] ?? ""} is not free any more. Choose another one.`,
  TRASH_REQUIRED: "The account’s policy asks for the trash first. Move to the trash, then delete there.",
  SOFT_DELETE_DISABLED: "The account’s policy has no trash. Remove directly, or turn on Soft Delete Users in Account Settings.",
  NOT_TRASHABLE: "Rooms cannot go to the trash. Remove them directly.",
  ALREADY_SET_UP: "The person has set up the phone already, so there is nothing to send again.",
  RESEND_TOO_SOON: (m) => `The last mail went out a short time ago. The next can go ${whenNext(m["retry_time"])}.`,
  USER_PENDING: "The person has not confirmed the account yet. Wait for that, or send the invitation again.",
  RANGE_IN_USE: (m) => `${m["used"] ?? "Some"} numbers of the range are in use. Give those people other extensions first.`,
  RESOURCE_IN_USE: (m) => `This is still in use${m["used_by"] ? ` by ${m["used_by"]}` : ""}. Change that first.`,
  ETAG_MISMATCH: "Somebody else has changed this meanwhile. Reload the page and make your change again.",
  OPERATION_IN_PROGRESS: "Another change of this is under way. Try again in a moment.",
  NOT_FOUND: "This does not exist any more. Reload the page.",
  PERMISSION_DENIED: "You may not do this. Only owners and administrators of the account may; sign in as one of them.",
  UNAUTHENTICATED: "You are signed out. Sign in again.",
  UNAVAILABLE: "A part of the system does not answer right now. Try again in a moment; nothing is done twice.",
  INTERNAL: "Something went wrong on our side. Try again later.",
  DEADLINE_EXCEEDED: "This took too long. Try again; nothing is done twice.",
};

function whenNext(time: string | undefined): string {
  const at = new Date(time ?? "");
  return Number.isNaN(at.getTime()) ? "in a while" : `at ${at.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" })}`;
}

/** An error as a sentence or two. */
export function inWords(error: unknown): string {
  if (!(error instanceof Refusal)) {
    return "Something went wrong. Reload the page and try again.";
  }
  const known = words[error.reason];
  if (known === undefined) {
    return error.message || "This did not work. Try again in a moment.";
  }
  return typeof known === "string" ? known : known(error.metadata, error);
}

/** Of a row of a file, what these reasons are about stands in the message, since there is no form to look at. */
const toldByMessage = new Set([
  "NOT_FOUND", "FIELD_INVALID", "DUPLICATE_IN_BATCH", "BATCH_TOO_LARGE", "SITE_REQUIRED", "PACKAGE_REQUIRED", "ALREADY_LICENSED",
]); // prettier-ignore

/** Why a row of a file was refused. */
export function rowInWords(refusal: Refusal): string {
  if (!toldByMessage.has(refusal.reason) || !refusal.message) {
    return inWords(refusal);
  }
  const told = refusal.message.charAt(0).toUpperCase() + refusal.message.slice(1);
  return `${told}${/[.?!]$/.test(told) ? "" : "."} Correct the row and import it again.`;
}

/** Reasons that hold for all items alike. */
const ofAll = new Set(["TRASH_REQUIRED", "SOFT_DELETE_DISABLED"]);
/** Reasons whose words name the item. */
const ofOne = new Set(["NUMBER_INVALID", "NUMBER_EXISTS", "NUMBER_NOT_AVAILABLE", "EMAIL_IN_USE"]);

/** What is wrong item by item; a batch's items (`assignees[17]`) are called by the names given, in the order they were sent. */
export function problemsByItem(error: unknown, names: string[] = []): string[] {
  if (!(error instanceof Refusal)) {
    return [];
  }
  const index = (field: string) => /\[(\d+)\]/.exec(field)?.[1];
  // Beside a form, what is not about an item or a field has been said by the reason.
  const telling = error.violations.filter(({ field }) => error.reason === "FIELD_INVALID" || index(field) !== undefined);
  if (ofAll.has(error.reason) || (ofOne.has(error.reason) && telling.length === 1)) {
    return [];
  }
  return telling.map(({ field, description }) => {
    const at = index(field);
    const name = at === undefined ? fieldLabel(field) : (names[Number(at)] ?? `No. ${Number(at) + 1}`);
    return name ? `${name}: ${description}` : description;
  });
}

/** Fields that are called otherwise where they are filled in. */
const fieldLabels: Record<string, string> = {
  display_name: "Name",
  email: "E-mail",
  family_name: "Last name",
  forward_to: "Forward calls to",
  given_name: "First name",
  language: "Language of prompts and mails",
  license_seats: "Phone licences",
  ring_seconds: "Seconds to ring",
};

/** `user.given_name` as "First name", and others as they are, in words. */
function fieldLabel(path: string): string {
  const last = path.split(".").pop() ?? path;
  const called = fieldLabels[last.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)];
  if (called) {
    return called;
  }
  const spaced = last
    .replace(/_/g, " ")
    .replace(/([a-z])([A-Z])/g, "$1 $2")
    .toLowerCase();
  return spaced.charAt(0).toUpperCase() + spaced.slice(1);
}
