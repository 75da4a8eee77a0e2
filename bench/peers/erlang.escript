#!/usr/bin/env escript
%%! +sbwt very_long
%% SPDX-License-Identifier: MIT
%%
%% Peer: Erlang/OTP processes (Debian: erlang-base). Ping-pong of two processes, a ring of 1,000 and a
%% one-way flood of 64-byte messages, the counterparts of bench/c/k2k.c. Takes the environment and
%% prints the lines of bench/c/bench.h.
-mode(compile).

samples() -> env("BENCH_SAMPLES", 7).
scale(N) -> max(1000, N div env("BENCH_DIVISOR", 1)).
env(Name, Default) ->
  case os:getenv(Name) of
    false -> Default;
    "" -> Default;
    Text -> list_to_integer(Text)
  end.

%% Nanoseconds of Fun().
time(Fun) ->
  Start = erlang:monotonic_time(nanosecond),
  Fun(),
  erlang:monotonic_time(nanosecond) - Start.

wants(Name) ->
  case os:getenv("BENCH_QUANTITY", "") of
    "" -> true;
    List -> lists:member(Name, string:split(List, ",", all))
  end.

report(Name, Unit, Includes, Verified, Fun) ->
  case wants(Name) of
    true -> measure(Name, Unit, Includes, Verified, Fun);
    false -> ok
  end.

measure(Name, Unit, Includes, Verified, Fun) ->
  Fun(),
  Values = lists:sort([Fun() || _ <- lists:seq(1, samples())]),
  Count = length(Values),
  At = fun(P) -> lists:nth(max(1, (Count * P + 99) div 100), Values) end,
  io:format("result\t~s\t~s\t~.6g\t~.6g\t~.6g\t~.6g\t~.6g\t~.6g\t~b\t~s\t~s\t~s~n",
    [Name, Unit, At(50), hd(Values), At(25), At(75), At(99), lists:last(Values), Count, Includes,
     "inside the timing (a message behind the last one)", Verified]).

payload() -> {1, 2, 3, 4, 5, 6, 7}.

%% A message that arrives with Hops = 0 goes to the process that started the run.
hop(Next) ->
  receive
    {0, Payload, Home} -> Home ! {done, Payload}, hop(Next);
    {Hops, Payload, Home} -> Next ! {Hops - 1, Payload, Home}, hop(Next);
    {next, Pid} -> hop(Pid);
    stop -> ok
  end.

ring(Count, Hops) ->
  Pids = [spawn(fun() -> hop(none) end) || _ <- lists:seq(1, Count)],
  lists:foreach(fun({Pid, Next}) -> Pid ! {next, Next} end, lists:zip(Pids, tl(Pids) ++ [hd(Pids)])),
  Ns = time(fun() ->
    hd(Pids) ! {Hops, payload(), self()},
    receive {done, {1, 2, 3, 4, 5, 6, 7}} -> ok end
  end),
  [Pid ! stop || Pid <- Pids],
  Ns / Hops.

sink(0, Home, Sum) -> Home ! {sum, Sum};
sink(Left, Home, Sum) ->
  receive {A, B, C, D, E, F, G} -> sink(Left - 1, Home, Sum + A + B + C + D + E + F + G) end.

flood(_, 0) -> ok;
flood(Pid, Left) -> Pid ! payload(), flood(Pid, Left - 1).

stream(Count) ->
  Home = self(),
  Expected = Count * 28,
  Ns = time(fun() ->
    Pid = spawn(fun() -> sink(Count, Home, 0) end),
    spawn(fun() -> flood(Pid, Count) end),
    receive {sum, Expected} -> ok end
  end),
  Count * 1.0e3 / Ns.

main(_) ->
  report("peer.erlang.ping_pong", "ns",
    "two processes pass a tuple of 7 integers there and back; the schedulers put both on one thread",
    "the token's words",
    fun() -> 2 * ring(2, scale(200000)) end),
  report("peer.erlang.ring1000", "ns", "1,000 processes in a ring, one token, per hop, default schedulers",
    "the token's words",
    fun() -> ring(1000, scale(200000)) end),
  report("peer.erlang.flood", "M/s", "one process floods another with tuples of 7 integers, all read and summed",
    "sum of all words",
    fun() -> stream(scale(200000)) end).
