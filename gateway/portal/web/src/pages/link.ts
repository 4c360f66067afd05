/** The values after the "#" of the address, which browsers send to nobody. */
export function linkValues(): URLSearchParams {
  return new URLSearchParams(location.hash.slice(1));
}
