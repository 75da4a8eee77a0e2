%% SPDX-License-Identifier: MIT
%% The judge of supervision: runs schedules through OTP's own supervisor and writes what happened.
%%
%%   erl -noinput -pa DIR -run judge main SCHEDULES RESULTS
%%
%% SCHEDULES is a file of Erlang terms written by spec/otp/terms.lua; RESULTS gets the lines that
%% spec/otp/simulation.lua prints for the same schedules run through lua/ringkernel. Everything is
%% one step at a time: a step is done when every supervisor has answered, nobody listed by one is
%% dead or restarting, and nobody alive is listed by none.
%%
%% Order is exact: ends come from the VM's tracing, whose time stamps are strictly monotonic, and
%% starts are stamped by the start function with the same clock.
%%
%% Schedules marked `virtual` need a clock that stands still between steps. For them the supervisor
%% module is compiled again from the debug information in its own beam file with one change: its
%% call of erlang:monotonic_time/1 asks this module. Nothing else in it differs.
-module(judge).
-export([main/1, start_worker/4, start_worker/5, start_supervisor/4, start_supervisor/5, init/1,
         virtual_time/1]).

-define(STUCK_MS, 20000).

main([In, Out]) ->
    logger:set_primary_config(level, none),
    process_flag(trap_exit, true),
    {ok, Schedules} = file:consult(In),
    {ok, File} = file:open(Out, [write, raw, delayed_write]),
    persistent_term:put(clock, atomics:new(1, [{signed, true}])),
    Collector = spawn_link(fun() -> collect([]) end),
    persistent_term:put(collector, Collector),
    {Virtual, Plain} = lists:partition(fun({schedule, _, Kind, _, _}) -> Kind =:= virtual end,
                                       Schedules),
    lists:foreach(fun(S) -> run(S, File) end, Plain),
    Virtual =:= [] orelse replace_clock(),
    lists:foreach(fun(S) -> run(S, File) end, Virtual),
    ok = file:close(File),
    halt(0).

%% ---- the clock ---------------------------------------------------------------------------------

virtual_time(1) ->
    floor(atomics:get(persistent_term:get(clock), 1) / 1000).

replace_clock() ->
    {ok, {_, [{abstract_code, {raw_abstract_v1, Forms}}]}} =
        beam_lib:chunks(code:which(supervisor), [abstract_code]),
    put(replaced, 0),
    Changed = replace(Forms),
    1 = get(replaced),
    {ok, supervisor, Binary} = compile:forms(Changed, []),
    ok = code:unstick_dir(filename:dirname(code:which(supervisor))),
    {module, supervisor} = code:load_binary(supervisor, "supervisor", Binary).

replace({remote, A, {atom, B, erlang}, {atom, C, monotonic_time}}) ->
    put(replaced, get(replaced) + 1),
    {remote, A, {atom, B, ?MODULE}, {atom, C, virtual_time}};
replace(Tuple) when is_tuple(Tuple) ->
    list_to_tuple(replace(tuple_to_list(Tuple)));
replace([Head | Tail]) ->
    [replace(Head) | replace(Tail)];
replace(Other) ->
    Other.

%% ---- what happened, in order --------------------------------------------------------------------

collect(Events) ->
    receive
        {event, Stamp, Line} ->
            collect([{Stamp, Line} | Events]);
        {trace_ts, Pid, exit, Reason, Stamp} ->
            [{_, Name, Owner, _}] = ets:lookup(lives, Pid),
            collect([{Stamp, io_lib:format("- ~s ~s ~w~n", [Name, Owner, Reason])} | Events]);
        {take, From} ->
            From ! {taken, [Line || {_, Line} <- lists:sort(Events)]},
            collect([]);
        _ ->
            collect(Events)
    end.

event(Format, Args) ->
    Stamp = {erlang:monotonic_time(), erlang:unique_integer([monotonic])},
    persistent_term:get(collector) ! {event, Stamp, io_lib:format(Format, Args)}.

take_events() ->
    Ref = erlang:trace_delivered(all),
    receive {trace_delivered, all, Ref} -> ok end,
    persistent_term:get(collector) ! {take, self()},
    receive {taken, Lines} -> Lines end.

%% ---- children ----------------------------------------------------------------------------------

%% Start functions run in the supervisor, which knows its own name. Attempts are numbered over the
%% whole schedule: attempt n of `a` makes a#n, and the n-th word of the plan says how it goes.

start_worker(Id, Mode, Plan, Dynamic) ->
    start_worker(Id, Mode, Plan, Dynamic, []).
start_worker(Id, Mode, Plan, _Dynamic, Args) ->
    attempt(Id, Plan, worker, Args, fun(_Name) ->
        Parent = self(),
        case Mode of
            plain ->
                {ok, spawn_link(fun() -> receive {die, Reason} -> exit(Reason) end end)};
            _ ->
                Ref = make_ref(),
                Pid = spawn_link(fun() ->
                    process_flag(trap_exit, true),
                    Parent ! Ref,
                    worker(Mode, Parent)
                end),
                receive Ref -> ok end,
                {ok, Pid}
        end
    end).

worker(Mode, Parent) ->
    receive
        {die, Reason} -> exit(Reason);
        {'EXIT', Parent, shutdown} when Mode =:= stubborn -> worker(Mode, Parent);
        {'EXIT', Parent, shutdown} when Mode =:= sour -> exit(sour);
        {'EXIT', Parent, shutdown} when Mode =:= content -> exit(normal);
        {'EXIT', Parent, Reason} -> exit(Reason)
    end.

start_supervisor(Id, Plan, Sup, Dynamic) ->
    start_supervisor(Id, Plan, Sup, Dynamic, []).
start_supervisor(Id, Plan, Sup, _Dynamic, Args) ->
    attempt(Id, Plan, supervisor, Args, fun(Name) ->
        supervisor:start_link(?MODULE, {Name, Sup})
    end).

attempt(Id, Plan, Kind, Args, Start) ->
    Number = ets:update_counter(attempts, Id, 1, {Id, 0}),
    Name = io_lib:format("~s#~b", [Id, Number]),
    Owner = case get(name) of undefined -> "-"; Known -> Known end,
    Word = case Number =< length(Plan) of true -> lists:nth(Number, Plan); false -> ok end,
    case Word of
        ok ->
            case Start(Name) of
                {ok, Pid} ->
                    ets:insert(lives, {Pid, Name, Owner, {Kind, Id, Number}}),
                    erlang:trace(Pid, true, [procs, strict_monotonic_timestamp,
                                             {tracer, persistent_term:get(collector)}]),
                    event("+ ~s ~s ~w~n", [Name, Owner, Args]),
                    {ok, Pid};
                {error, Reason} ->
                    failed(Name, Owner, Reason),
                    {error, Reason}
            end;
        ignore ->
            event("~~ ~s ~s~n", [Name, Owner]),
            ignore;
        {error, Reason} ->
            failed(Name, Owner, Reason),
            {error, Reason};
        {raise, Reason} ->
            failed(Name, Owner, Reason),
            exit(Reason)
    end.

failed(Name, Owner, Reason) ->
    event("! ~s ~s ~w~n", [Name, Owner, plain_reason(Reason)]).

%% What a start function raised is told as the reason itself.
plain_reason({'EXIT', Reason}) -> plain_reason(Reason);
plain_reason(Tuple) when is_tuple(Tuple) ->
    list_to_tuple([plain_reason(Part) || Part <- tuple_to_list(Tuple)]);
plain_reason(Reason) -> Reason.

init({Name, {sup, _Id, Strategy, Intensity, Period, Auto, Children}}) ->
    put(name, Name),
    {ok, {#{strategy => Strategy, intensity => Intensity, period => Period, auto_shutdown => Auto},
          [child_spec(Child) || Child <- Children]}}.

child_spec({child, Id, Restart, Shutdown, Type, Significant, Start}) ->
    Function = case Start of
        {worker, Mode, Plan} -> {?MODULE, start_worker, [Id, Mode, Plan, false]};
        {supervisor, Plan, Sup} -> {?MODULE, start_supervisor, [Id, Plan, Sup, false]}
    end,
    Spec = #{id => Id, start => Function, significant => Significant},
    maps:merge(Spec, maps:from_list([{Key, Value} || {Key, Value} <-
        [{restart, Restart}, {shutdown, Shutdown}, {type, Type}], Value =/= default])).

%% ---- schedules ---------------------------------------------------------------------------------

run({schedule, Number, _, Sup, Steps}, File) ->
    ets:new(attempts, [named_table, public, set]),
    ets:new(lives, [named_table, public, set]),
    atomics:put(persistent_term:get(clock), 1, 0),
    put(said, #{}),
    Runner = self(),
    Watch = spawn(fun() ->
        receive done -> ok
        after ?STUCK_MS ->
            io:format(standard_error, "schedule ~b is stuck~n", [Number]),
            exit(Runner, kill),
            halt(3)
        end
    end),
    Root = element(2, Sup),
    Answer = case start_supervisor(Root, [], Sup, false) of
        {ok, Pid} -> put(root, Pid), "ok";
        {error, Reason} -> put(root, none), io_lib:format("error ~w", [plain_reason(Reason)])
    end,
    file:write(File, [io_lib:format("= ~b~n", [Number]), "step 0\n", report([Answer])]),
    lists:foldl(fun(Step, Index) ->
        Answers = step(Step),
        file:write(File, [io_lib:format("step ~b~n", [Index]), report(Answers)]),
        Index + 1
    end, 1, Steps),
    Watch ! done,
    Left = [{exit(Pid, kill), monitor(process, Pid)} || {Pid, _, _, _} <- ets:tab2list(lives)],
    [receive {'DOWN', Mon, process, _, _} -> ok end || {_, Mon} <- Left],
    flush(),
    _ = take_events(),
    ets:delete(attempts),
    ets:delete(lives).

flush() ->
    receive _ -> flush() after 0 -> ok end.

report(Answers) ->
    Trees = quiet(),
    [take_events(), [["> ", Answer, "\n"] || Answer <- Answers], changed(Trees)].

%% What each supervisor says, in the order of their names, if it is not what it said before.
changed(Trees) ->
    Said = get(said),
    Lines = [{Key, io_lib:format("~s ~s ~s~n", [Name, which(Children),
                                                counts(supervisor:count_children(Pid))])}
             || {Key, Pid, Name, Children} <- lists:sort(Trees)],
    put(said, maps:from_list([{Key, lists:flatten(Line)} || {Key, Line} <- Lines])),
    [Line || {Key, Line} <- Lines, maps:get(Key, Said, none) =/= lists:flatten(Line)].

%% Waits until nothing moves; returns each live supervisor with its children.
quiet() ->
    case sweep() of
        busy -> erlang:yield(), quiet();
        Trees ->
            case sweep() of
                Trees -> Trees;
                _ -> quiet()
            end
    end.

sweep() ->
    Alive = [Life || {Pid, _, _, _} = Life <- ets:tab2list(lives), is_process_alive(Pid)],
    try
        Trees = [{{Id, N}, Pid, Name, supervisor:which_children(Pid)}
                 || {Pid, Name, _, {supervisor, Id, N}} <- Alive],
        Listed = maps:from_list([{Pid, true} || {_, _, _, Children} <- Trees,
                                                {_, Pid, _, _} <- Children, is_pid(Pid)]),
        Restarting = [1 || {_, _, _, Children} <- Trees, {_, restarting, _, _} <- Children],
        Orphans = [Pid || {Pid, _, _, _} <- Alive, Pid =/= get(root),
                          not is_map_key(Pid, Listed)],
        Dead = [Pid || Pid <- maps:keys(Listed), not is_process_alive(Pid)],
        case {Restarting, Orphans, Dead} of
            {[], [], []} -> lists:sort(Trees);
            _ -> busy
        end
    catch
        exit:_ -> busy
    end.

%% ---- steps -------------------------------------------------------------------------------------

%% The K-th live process of an id, counted from 0 and going round; none if there is none. In a batch
%% only children of the suspended supervisor count: others would act meanwhile, each in its own time.
target(Id, K) ->
    Within = get(within),
    Live = lists:sort([{N, Pid} || {Pid, _, Owner, {_, Other, N}} <- ets:tab2list(lives),
                                   Other =:= Id, Within =:= undefined orelse Within =:= Owner,
                                   is_process_alive(Pid)]),
    case Live of
        [] -> none;
        _ -> element(2, lists:nth(K rem length(Live) + 1, Live))
    end.

step({advance, Ms}) ->
    atomics:add(persistent_term:get(clock), 1, Ms),
    [];
step({sleep, Ms}) ->
    timer:sleep(Ms),
    [];
step({stop, Reason}) ->
    case get(root) of
        none -> ["none"];
        Root ->
            case is_process_alive(Root) of
                false -> ["none"];
                true ->
                    Mon = monitor(process, Root),
                    exit(Root, Reason),
                    receive {'DOWN', Mon, process, _, _} -> [] end
            end
    end;
step({exit, Id, K, Reason}) -> fault(target(Id, K), Reason);
step({kill, Id, K}) -> fault(target(Id, K), kill_it);
step({call, Id, K, Request}) ->
    case target(Id, K) of
        none -> ["none"];
        Pid ->
            case request(Pid, Request) of
                none -> ["none"];
                Message -> [wait_answer(send(Pid, Message))]
            end
    end;
step({batch, Id, K, Parts}) ->
    case target(Id, K) of
        none -> ["none"];
        Pid ->
            ok = sys:suspend(Pid),
            [{_, Name, _, _}] = ets:lookup(lives, Pid),
            put(within, Name),
            Pending = lists:append([part(Pid, Part) || Part <- Parts]),
            erase(within),
            ok = sys:resume(Pid),
            [case One of {sent, Sent} -> wait_answer(Sent); Text -> Text end || One <- Pending]
    end.

part(Pid, {request, Request}) ->
    case request(Pid, Request) of
        none -> ["none"];
        Message -> [{sent, send(Pid, Message)}]
    end;
part(_, Fault) ->
    step(Fault).

fault(none, _) ->
    ["none"];
fault(Pid, Reason) ->
    [{_, _, _, {Kind, _, _}}] = ets:lookup(lives, Pid),
    Mon = monitor(process, Pid),
    case {Reason, Kind} of
        {kill_it, _} -> exit(Pid, kill);
        {_, worker} -> Pid ! {die, Reason};
        {_, supervisor} -> catch gen_server:stop(Pid, Reason, infinity)
    end,
    receive {'DOWN', Mon, process, _, _} -> [] end.

request(_, {start_child, Child}) -> {start_child, child_spec(Child)};
request(_, {start_dynamic, Args}) -> {start_child, [Args]};
request(_, {terminate_dynamic, Id, K}) ->
    case target(Id, K) of
        none -> none;
        Pid -> {terminate_child, Pid}
    end;
request(_, Request) -> Request.

%% As gen_server:call does it, but sending and waiting are apart.
send(Pid, Message) ->
    Mon = monitor(process, Pid),
    Pid ! {'$gen_call', {self(), Mon}, Message},
    {Mon, Message}.

wait_answer({Mon, Message}) ->
    receive
        {Mon, Reply} ->
            demonitor(Mon, [flush]),
            answer(Message, Reply);
        {'DOWN', Mon, process, _, _} ->
            "gone"
    end.

answer(which_children, Children) -> which(Children);
answer(count_children, Counts) -> counts(Counts);
answer({get_childspec, _}, {ok, #{restart := R, shutdown := S, type := T, significant := G}}) ->
    io_lib:format("~p ~p ~p ~p", [R, S, T, G]);
answer(_, ok) -> "ok";
answer(_, {ok, Pid}) -> ["ok ", name(Pid)];
answer(_, {error, {already_started, Pid}}) -> ["error already_started ", name(Pid)];
answer({start_child, Spec}, {error, {Reason, _Child}}) when is_map(Spec) ->
    io_lib:format("error ~w", [plain_reason(Reason)]);
answer(_, {error, Reason}) -> io_lib:format("error ~w", [plain_reason(Reason)]).

name(Pid) when is_pid(Pid) ->
    [{_, Name, _, _}] = ets:lookup(lives, Pid),
    Name;
name(Word) ->
    atom_to_list(Word).

%% Children in the supervisor's order; dynamic ones, which have none, in the order of their names.
which(Children) ->
    Texts = [{Id, io_lib:format("~s=~s:~s", [Id, name(Child), Type]), Child}
             || {Id, Child, Type, _} <- Children],
    Ordered = case Texts of
        [{undefined, _, _} | _] ->
            lists:sort(fun({_, A, X}, {_, B, Y}) -> {rank(X), A} =< {rank(Y), B} end, Texts);
        _ -> Texts
    end,
    ["[", lists:join(",", [Text || {_, Text, _} <- Ordered]), "]"].

rank(Pid) when is_pid(Pid) ->
    [{_, _, _, {_, Id, N}}] = ets:lookup(lives, Pid),
    {Id, N};
rank(Word) ->
    {Word, 0}.

counts(Counts) ->
    [Specs, Active, Supervisors, Workers] =
        [proplists:get_value(Key, Counts) || Key <- [specs, active, supervisors, workers]],
    io_lib:format("~b/~b/~b/~b", [Specs, Active, Supervisors, Workers]).
