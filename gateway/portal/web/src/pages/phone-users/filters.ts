import { useEffect, useState } from "react";
import { useSearchParams } from "react-router";
import { idOf } from "../../api/client";
import { useAccountId } from "../../session/hooks";

/** Everything, and all packages that are inactive. */
export const all = "all";
export const inactive = "inactive";

interface Filters {
  query: string;
  /** A site's name, or `all`. */
  site: string;
  /** A package's name, `inactive`, or `all`. */
  pack: string;
}

/** What a list is narrowed down to. The address keeps it, for the way back from a profile, for bookmarks and for links. */
export function useFilters(): Filters & { set: (change: Partial<Filters>) => void } {
  const account = useAccountId();
  const [params, setParams] = useSearchParams();
  const [filters, setFilters] = useState((): Filters => {
    const named = (key: string, collection: string) => {
      const id = params.get(key) ?? all;
      return id === all || id === inactive ? id : `accounts/${account}/${collection}/${id}`;
    };
    return { query: params.get("query") ?? "", site: named("site", "sites"), pack: named("package", "packages") };
  });
  useEffect(() => {
    const { query, site, pack } = filters;
    const next = new URLSearchParams({
      ...(query && { query }),
      ...(site !== all && { site: idOf(site) }),
      ...(pack !== all && { package: idOf(pack) }),
    });
    if (next.toString() !== params.toString()) {
      setParams(next, { replace: true });
    }
  }, [filters, params, setParams]);
  return { ...filters, set: (change) => setFilters((old) => ({ ...old, ...change })) };
}
