export function formatTime(time: string | undefined): string {
  return time ? new Date(time).toLocaleString([], { dateStyle: "medium", timeStyle: "short" }) : "";
}

export function formatCount(count: number | string): string {
  return Number(count).toLocaleString();
}

const day = 24 * 60 * 60 * 1000;

/** "12 days left", "last day". */
export function daysLeft(until: string | undefined, now = Date.now()): string {
  const days = Math.ceil((new Date(until ?? 0).getTime() - now) / day);
  return days <= 1 ? "last day" : `${days} days left`;
}

/** "1 person", "3 people". */
export function counted(count: number, one: string, many: string): string {
  return `${formatCount(count)} ${count === 1 ? one : many}`;
}
