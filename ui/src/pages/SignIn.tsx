import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { KeyRound } from "lucide-react";
import { type FormEvent, useEffect, useState } from "react";
import { session, signIn } from "../api/session";
import { Logo } from "../components/Logo";
import { Button } from "../components/ui/button";
import { Input, Labelled } from "../components/ui/input";
import { Loading } from "../components/ui/states";

/** Shown in place of any page while the server wants a token; the address stays, so the page is there afterwards. */
export function SignIn() {
  const queries = useQueryClient();
  const [token, setToken] = useState("");
  const entry = useMutation({
    mutationFn: () => signIn(token.trim()),
    onSuccess: () => {
      queries.setQueryData(session.queryKey, { required: true, signed_in: true });
      void queries.invalidateQueries();
    },
  });
  const submit = (event: FormEvent) => {
    event.preventDefault();
    if (token.trim() !== "") entry.mutate();
  };
  return (
    <main className="grid h-dvh place-items-center p-6">
      <form onSubmit={submit} className="grid w-full max-w-sm gap-5">
        <Logo />
        <div>
          <h1 className="font-semibold text-2xl tracking-tight">Sign in</h1>
          <p className="mt-1 text-base text-ink-2">This server was started with access tokens.</p>
        </div>
        <Labelled id="token" label="Access token" hint="Kept by the browser as a cookie that scripts cannot read.">
          <Input
            id="token"
            type="password"
            autoComplete="current-password"
            autoFocus
            value={token}
            aria-invalid={entry.error !== null}
            onChange={(e) => setToken(e.target.value)}
            className="h-11 font-mono"
          />
        </Labelled>
        {entry.error !== null && (
          <p role="alert" className="font-medium text-critical">
            {entry.error.message}
          </p>
        )}
        <Button
          look="primary"
          type="submit"
          disabled={entry.isPending || token.trim() === ""}
          className="h-11 justify-center"
        >
          <KeyRound aria-hidden />
          Sign in
        </Button>
      </form>
    </main>
  );
}

/** The address `/sign-in` itself: for who is signed in already, it is the overview. */
export function SignInRoute() {
  const navigate = useNavigate();
  const { data } = useQuery(session);
  useEffect(() => {
    if (data !== undefined) void navigate({ to: "/", replace: true });
  }, [data, navigate]);
  return <Loading />;
}
