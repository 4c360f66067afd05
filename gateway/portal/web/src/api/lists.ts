import { keepPreviousData, useInfiniteQuery, type QueryClient, type QueryKey } from "@tanstack/react-query";
import { useCallback, useMemo, useRef } from "react";

export interface Page<T> {
  rows: T[];
  next: string;
  /** How many there are in all, where the list says so. */
  total?: number;
}

const firstPage = 100;
const usualPage = 200;
const catchUpPage = 1000;

/** A keyset-paged list that is loaded as far as it is looked at. Pages grow where somebody drags the scroll bar far ahead. */
export function useKeyset<T>(
  queryKey: QueryKey,
  fetchPage: (pageToken: string, pageSize: number, signal: AbortSignal) => Promise<Page<T>>,
) {
  const needed = useRef(0);
  const query = useInfiniteQuery({
    queryKey,
    initialPageParam: { token: "", loaded: 0 },
    queryFn: ({ pageParam, signal }) => {
      const behind = needed.current - pageParam.loaded;
      return fetchPage(
        pageParam.token,
        pageParam.loaded === 0 ? firstPage : behind > usualPage ? catchUpPage : usualPage,
        signal,
      );
    },
    getNextPageParam: (last, pages) =>
      last.next ? { token: last.next, loaded: pages.reduce((sum, page) => sum + page.rows.length, 0) } : undefined,
    placeholderData: keepPreviousData,
  });
  const { data, hasNextPage, isFetchingNextPage, fetchNextPage, isError } = query;
  const rows = useMemo(() => (data?.pages ?? []).flatMap((page) => page.rows), [data]);
  const need = useCallback(
    (index: number) => {
      needed.current = index;
      if (hasNextPage && !isFetchingNextPage && !isError && index >= rows.length - usualPage / 2) {
        void fetchNextPage();
      }
    },
    [hasNextPage, isFetchingNextPage, isError, fetchNextPage, rows.length],
  );
  const total = data?.pages.at(-1)?.total ?? rows.length + (hasNextPage ? usualPage / 2 : 0);
  return { ...query, rows, need, total };
}

/** Reads lists again after a change. Long ones start over, since reading all that was scrolled past would take long. */
export async function refreshList(client: QueryClient, queryKey: QueryKey): Promise<void> {
  for (const query of client.getQueryCache().findAll({ queryKey })) {
    const data = query.state.data as { pages?: unknown[] } | undefined;
    if (data?.pages && data.pages.length > 3) {
      await client.resetQueries({ queryKey: query.queryKey, exact: true });
    } else {
      await client.invalidateQueries({ queryKey: query.queryKey, exact: true });
    }
  }
}
