---@meta
-- Benchmark campaigns: `rk.campaign { … }`, run by `rkl --bench FILE` or campaign:measure().

---@class ringkernel.campaign_options
---@field name string of the campaign and its result files
---@field run fun(case: table, meter: ringkernel.meter) one sample; timed as a whole, or where the
---  meter is started and stopped
---@field matrix? table factors: { payload = { 64, 256 } }, or a list { { "payload", { 64, 256 } } }
---  where the order of the cases matters; a case is each combination, its factors are its fields
---@field where? fun(case: table): boolean which combinations (100,000 at most) are cases; one that
---  makes no sense is none (a case that cannot run here is one: `skip`)
---@field split? string a factor: its values get plots of their own
---@field includes? string what the timing includes, in words; shown beside every figure
---@field answers? string which question or earlier figure the campaign answers
---@field setup? fun(case: table) before the first sample; keeps what it makes in `case`
---@field check? fun(case: table): boolean, string? after the samples; false, or an error, voids the
---  case
---@field teardown? fun(case: table)
---@field skip? fun(case: table, only: table): string? a reason leaves the case out; `only` has the
---  values that were asked for, factor -> text
---@field samples? integer of each case, 30
---@field warmup? integer runs before, at least, 3; then until two windows of five agree within 2 %
---@field warmup_max? integer runs before, at most, 30
---@field limit_s? number seconds of a case, 60: then it has the samples it has
---@field hang_s? number seconds of one call of a function here, 30: then the case is given up
---@field order? "interleaved" | "shuffled" of the cases in a round; the first
---@field seed? integer of shuffling and of the bootstrap, 1
---@field fresh? boolean set-up, check and teardown around every sample
---@field isolate? boolean every sample in a process of its own (rkl --bench only); without it
---  os.exit is an error of the case, and a crash or a wait that nothing can end is the run's end
---@field pin? integer[] processors to stay on, from 0 (needs taskset)
---@field min_effect? number change of a median below which --compare says "same", 0.02

---@class ringkernel.campaign
---@field name string
---@field cases table[]
local campaign = {}

---Runs it in this process. Options: out (a folder for the journal, which must exist), only (factor
----> value), resume, quiet.
---@param options? { out: string?, only: table?, resume: boolean?, quiet: boolean? }
---@return table? results
---@return string? message
---@return ringkernel.code? code not_found, exists (an interrupted run is there), io
function campaign:measure(options) end
