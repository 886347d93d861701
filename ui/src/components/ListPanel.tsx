import type { InfiniteData, UseInfiniteQueryResult } from "@tanstack/react-query";
import type { ReactNode } from "react";
import type { Page } from "../api/client";
import { MoreButton } from "./MoreButton";
import { Panel } from "./ui/panel";
import { Failure, Loading } from "./ui/states";

type Props<T> = {
  list: UseInfiniteQueryResult<InfiniteData<Page<T>>>;
  empty: ReactNode;
  children: (items: T[]) => ReactNode;
};

/** A paged list in its four states: on its way, failed, empty, there. */
export function ListPanel<T>({ list, empty, children }: Props<T>) {
  const items = list.data?.pages.flatMap((p) => p.items) ?? [];
  return (
    <Panel flush>
      {list.data === undefined ? (
        list.error === null ? (
          <Loading rows={6} />
        ) : (
          <Failure error={list.error} onRetry={() => void list.refetch()} />
        )
      ) : items.length === 0 ? (
        empty
      ) : (
        <>
          {children(items)}
          <MoreButton list={list} />
        </>
      )}
    </Panel>
  );
}
