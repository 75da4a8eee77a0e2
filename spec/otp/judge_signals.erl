%% SPDX-License-Identifier: MIT
%% The judge of links and monitors: runs schedules through processes of the VM and writes what
%% happened to each.
%%
%%   erl -noinput -pa DIR -run judge_signals main SCHEDULES RESULTS
%%
%% A schedule is {schedule, Number, Count, Steps}: Count processes called 1..Count, which do what the
%% steps say, one at a time. A step is done when no living process has a link to or a monitor on a
%% dead one, which means that all signals have arrived. spec/otp/signals.lua does the same with
%% lua/ringkernel/exit_signals.lua.
-module(judge_signals).
-export([main/1]).

main([In, Out]) ->
    logger:set_primary_config(level, none),
    {ok, Schedules} = file:consult(In),
    {ok, File} = file:open(Out, [write, raw, delayed_write]),
    lists:foreach(fun(S) -> file:write(File, run(S)) end, Schedules),
    ok = file:close(File),
    halt(0).

run({schedule, Number, Count, Steps}) ->
    put(processes, #{}),
    put(names, #{}),
    put(monitors, #{}),
    [start() || _ <- lists:seq(1, Count)],
    Lines = [[io_lib:format("step ~b~n", [Index]), step(Step), deaths()]
             || {Index, Step} <- lists:zip(lists:seq(1, length(Steps)), Steps)],
    End = [step({drain, Id}) || Id <- lists:seq(1, maps:size(get(processes)))],
    [exit(Pid, kill) || {Pid, _} <- maps:values(get(processes))],
    [receive {'DOWN', Mon, _, _, _} -> ok after 0 -> demonitor(Mon, [flush]) end
     || {_, Mon} <- maps:values(get(processes))],
    [io_lib:format("= ~b~n", [Number]), Lines, End].

start() ->
    Id = maps:size(get(processes)) + 1,
    {Pid, Mon} = spawn_monitor(fun() -> process_loop() end),
    put(processes, maps:put(Id, {Pid, Mon}, get(processes))),
    put(names, maps:put(Pid, Id, get(names))),
    Id.

%% A process does what it is told. Everything else that it gets it keeps for the next drain.
process_loop() ->
    receive
        {do, From, Tag, Do} ->
            Answer = Do(),
            From ! {Tag, Answer},
            process_loop()
    end.

drain(Found) ->
    receive
        {'EXIT', Pid, Reason} -> drain([{exit, Pid, Reason} | Found]);
        {'DOWN', Ref, process, Pid, Reason} -> drain([{down, Ref, Pid, Reason} | Found])
    after 0 -> Found
    end.

pid(Id) -> element(1, maps:get(Id, get(processes))).

do(Id, Do) ->
    Pid = pid(Id),
    Tag = make_ref(),
    Mon = monitor(process, Pid),
    Pid ! {do, self(), Tag, Do},
    receive
        {Tag, Answer} -> demonitor(Mon, [flush]), {ok, Answer};
        {'DOWN', Mon, _, _, _} ->
            receive {Tag, Answer} -> {ok, Answer} after 0 -> dead end
    end.

%% Whether a process is there to do something; one that is gone does nothing.
step(spawn) -> start(), [];
step({link, A, B}) ->
    act(A, fun() -> To = pid(B), fun() -> try link(To) catch error:noproc -> noproc end end end);
step({unlink, A, B}) -> act(A, fun() -> To = pid(B), fun() -> unlink(To) end end);
step({trap, A, Flag}) -> act(A, fun() -> fun() -> process_flag(trap_exit, Flag) end end);
step({signal, A, B, Reason}) -> act(A, fun() -> To = pid(B), fun() -> exit(To, Reason) end end);
step({exit, A, Reason}) -> act(A, fun() -> fun() -> exit(Reason) end end);
step({monitor, A, B}) ->
    To = pid(B),
    case is_process_alive(pid(A)) of
        false -> "dead\n";
        true ->
            {ok, Ref} = do(A, fun() -> monitor(process, To) end),
            Monitors = get(monitors),
            put(monitors, Monitors#{maps:size(Monitors) + 1 => {Ref, A}}),
            []
    end;
step({demonitor, K, Flush}) ->
    Monitors = get(monitors),
    case maps:size(Monitors) of
        0 -> "none\n";
        Size ->
            {Ref, A} = maps:get(K rem Size + 1, Monitors),
            Options = case Flush of true -> [flush]; false -> [] end,
            act(A, fun() -> fun() -> demonitor(Ref, Options) end end)
    end;
step({drain, A}) ->
    case is_process_alive(pid(A)) andalso do(A, fun() -> drain([]) end) of
        {ok, Found} -> lists:sort([lists:flatten([message(M), "\n"]) || M <- Found]);
        _ -> "dead\n"
    end.

act(A, Make) ->
    case is_process_alive(pid(A)) of
        false -> "dead\n";
        true ->
            case do(A, Make()) of
                {ok, noproc} -> "noproc\n";
                _ -> []
            end
    end.

message({exit, Pid, Reason}) -> io_lib:format("exit ~b ~w", [name(Pid), Reason]);
message({down, Ref, Pid, Reason}) ->
    [K] = [K || {K, {Other, _}} <- maps:to_list(get(monitors)), Other =:= Ref],
    io_lib:format("down ~b ~b ~w", [K, name(Pid), Reason]).

name(Pid) -> maps:get(Pid, get(names)).

deaths() ->
    settle(),
    lists:sort(lists:append([receive
        {'DOWN', Mon, process, _, Reason} -> [lists:flatten(io_lib:format("ended ~b ~w~n", [Id, Reason]))]
        after 0 -> []
    end || {Id, {_, Mon}} <- maps:to_list(get(processes))])).

settle() ->
    Pids = [Pid || {Pid, _} <- maps:values(get(processes))],
    Infos = [process_info(Pid, [links, monitors]) || Pid <- Pids],
    Others = lists:append([Links ++ [P || {process, P} <- Monitors]
                           || [{links, Links}, {monitors, Monitors}] <- Infos]),
    Dead = [P || P <- Others, not is_process_alive(P)],
    %% Our own monitors of the dead have to have fired as well.
    Open = [P || {process, P} <- element(2, process_info(self(), monitors)),
                 not is_process_alive(P)],
    case Dead ++ Open of
        [] -> ok;
        _ -> erlang:yield(), settle()
    end.
