import { useQuery } from "@tanstack/react-query";
import { useParams, useSearch } from "@tanstack/react-router";
import { kinds } from "../api/kinds";
import { type Definition, definition, type Resource } from "../api/monitors";
import { Editor } from "../components/edit/Editor";
import { Failure, Loading } from "../components/ui/states";

export function EditMonitor() {
  const { name } = useParams({ from: "/monitors/$name/edit" });
  return <Existing resource="monitor" name={name} />;
}

export function EditAlerter() {
  const { name } = useParams({ from: "/alerters/$name/edit" });
  return <Existing resource="alerter" name={name} />;
}

/** What is edited is a copy of one revision: it does not change under the reader's hands. */
function Existing({ resource, name }: { resource: Resource; name: string }) {
  const stored = useQuery({
    ...definition(resource, name),
    queryKey: ["edit", resource, name],
    staleTime: Number.POSITIVE_INFINITY,
    gcTime: 0,
    refetchOnWindowFocus: false,
    refetchOnMount: "always",
  });
  const known = useQuery(kinds);
  const error = stored.error ?? known.error;
  if (error !== null && (stored.data === undefined || known.data === undefined)) return <Failure error={error} />;
  if (stored.data === undefined || known.data === undefined || !stored.isFetchedAfterMount) return <Loading rows={8} />;
  return (
    <Editor
      key={`${resource}/${name}`}
      resource={resource}
      name={name}
      start={stored.data.definition}
      etag={stored.data.etag}
      kinds={known.data[`${resource}s`]}
    />
  );
}

export function New() {
  const search = useSearch({ from: "/new" });
  const resource: Resource = search.resource === "alerter" ? "alerter" : "monitor";
  const known = useQuery(kinds);
  const source = useQuery({ ...definition(resource, search.from ?? ""), enabled: search.from !== undefined });
  if (known.error !== null && known.data === undefined) return <Failure error={known.error} />;
  if (known.data === undefined || source.isLoading) return <Loading rows={8} />;
  const list = known.data[`${resource}s`];
  const start: Definition = source.data?.definition ?? { type: list[0]?.kind ?? "" };
  return (
    <Editor
      key={`${resource}-${search.from ?? ""}`}
      resource={resource}
      name={null}
      start={start}
      etag={null}
      kinds={list}
    />
  );
}
