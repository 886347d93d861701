import type { InfiniteData, UseInfiniteQueryResult } from "@tanstack/react-query";
import type { Page } from "../api/client";
import { whole } from "../lib/numbers";
import { Button } from "./ui/button";

type Props<T> = { list: UseInfiniteQueryResult<InfiniteData<Page<T>>> };

/** How many are shown of how many, and the way to the next. */
export function MoreButton<T>({ list }: Props<T>) {
  const shown = list.data?.pages.reduce((n, p) => n + p.items.length, 0) ?? 0;
  const total = list.data?.pages.at(-1)?.total ?? shown;
  if (!list.hasNextPage) return null;
  return (
    <div className="flex items-center justify-center gap-3 border-t p-3 text-ink-3">
      {whole(shown)} of {whole(total)}
      <Button size="sm" disabled={list.isFetchingNextPage} onClick={() => void list.fetchNextPage()}>
        Show more
      </Button>
    </div>
  );
}
