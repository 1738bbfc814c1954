"""The Anthropic Files API mounted as a directory. This is the map: parts, owners, lock order, the two data paths.

A noun owns state, an -er owns threads, everything else is pure. Imports go downward only; tests/test_layers.py says so.

    words       errors (one tree, each with its errno) · model (frozen values) · schema (the tables) · blocks (their arithmetic) · clock
                mime (types) · names (the server's and the shown ones) · companions (helper files by what they lie beside)
                gaps (what a content lacks) · profiles (logins' files) · config (what a mount is told)
    tools       presence (is the state still in its place) · callers (who asks, by /proc) · disk (labelled durable steps) · db (the
                SQLite file, its transactions) · notify (systemd) · statedir (one mount a state) · process (its log, signals, limits)
                bodies (what a download has to be) · remote (the five calls)
      remote/   api (the calls' protocol) · answers (the wire to values) · words (what a page says) · redirects (where to go on)
                download (a body) · dates (the server's clock) · grants (asking for a token) · login (the token) · identity (whose the
                answers are) · proxies (which one) · wire (how far a connection is) · transport (its pools) · http (the calls over HTTP)
                budget (requests of a minute) · pace (its queue) · retry (asking again) · gates (a gate's life) · way (the gates: can the
                service be asked) · guarded (each request by the way's word)
    state       index (the tree, as the user wants it) · batches (its rows, many at once) · mirror (what the server has, placed in the
                tree) · outbox (attempts, doomed ids) · owed (which of those may go now) · lost (tries given up) · staging (unsent
                content) · blockfile (one file's blocks on disk) · cache (all blocks, kept copies) · keeping (which of those stay)
                handles (open files) · workspace (whose files a state mirrors) · surprises (entries that others have changed, while the
                kernel may hold old sizes) · pages (what the kernel's page cache may hold) · walks (directories that are read in order)
                xattrs (attributes that stay here) · course (a download's requests, until all of it has come)
    workers     feed (one running download) · extents (what each asks for) · transfers (its thread's work) · reader (their threads)
                copies (what the server has, as a stage) · restaging (the same, for a new name there, or to live on here only)
                delivery (one upload, exactly once) · deletion (one id's) · renaming (what a name means for the server) · settings
                (attributes that can be set) · unlinking (how a node ends) · turns (the order of sending) · shares (which kind of work
                is next) · sendings (how far each is) · looks (for lost answers) · waits (closes that wait) · uploader (outbox →
                server: the threads) · listing (what pages mean for the mirror) · coming (a listing's next page) · prober (is the way
                open again) · refresher (what is new) · sweeper (what is gone, page by page) · expirer (files' own end)
    core        promises (what a name shows from then on) · contents (what handles do with a node's one content) · attributes (what
                stat has no field for) · recovery (after a crash) · tree (paths to nodes) · openfiles (verbs with a handle) · moves
                (renames) · links (a helper file published) · filesystem (the tree's verbs) · decisions (what only a person decides)
                holdings (what is here of a file) · report (status) · check (all invariants) · drain (until all is sent)
    edges       binding (fusepy's class) · fuse_ops (its operations; the errno gate) · control (status socket) · commands (what it
                answers) · mountpoint (what may be one, and its end) · options (of mount(8))
    assembly    demo (the emulator as a child) · greeting (the first look at the service) · daemon (builds, starts, stops in order)
    commands    output (what is printed) · launch (how a mount's process starts) · asking (which mount, and its answers) · cli
    apart       emulator/ imports nothing of the above: an independent witness of the protocol

Owners on disk, below the state directory:

    state.db            index, mirror, outbox, lost and xattrs (and facts of listing, refresher, sweeper, workspace and lost in the
                        table meta)
    staging/<number>    open: the node's handles; sealed: the uploader. Rows say which are promised
    cache/              blocks that came from the server; kept/: whole copies of our own uploads. Both the cache's
    requests            budget: the moments of the last minute's
    lock, control.sock  statedir, control
    anthrofs.log        process

Locks, in the order in which they may be taken; nobody holds one while waiting for the network, for a thread, or for a
sync of big data:

    1  handles.Content.lock     one node's content
    2  db.Database              tree and outbox
    3  cache.BlockCache         what is in memory, what is on disk
    4  reader.Reader            downloads and who waits for them
    Leaves, under which no other is taken: handles, surprises, pages, walks, presence, staging, keeping, moves, turns, deletion,
    sendings, the conditions of looks, waits, uploader, refresher, sweeper and expirer; and in remote/ pacer, http, dates, identity,
    download, transport and wire's, the conditions of way and login.
    Content.promising comes before all: it keeps two closes of one node apart while the first one syncs.

A read: kernel (its page cache, if pages let the open keep it) → fuse_ops.read → openfiles → contents: the stage, if content is
local; else reader.read → blocks.spans → cache (memory, then disk, checked) → for what is missing the file's one running
download, joined or started: its thread (transfers) takes what course asks for and bodies believes, hands runs of blocks over,
then stores them.

A write: kernel → fuse_ops.write → contents: the node's stage, copied first if it is sealed. close → openfiles.flush →
contents.promise: seal, fdatasync, one transaction (the name shows this, this must be sent) → uploader.wake, and in wait
mode wait → delivery: `sending` committed → multipart streamed from the stage → id, and the size that was sent → hard link as kept
copy (keeping) → one transaction (the node has the id, the old id is doomed) → stage removed → the waiting close returns.

A rename changes rows only: the node's name, the server name that is wanted for it, and that its content is to be sent again.
uploader → restaging.prepare: a stage with what the server has (copies: a second name of the kept copy) and an attempt; from
there on as above. So a rename there and back, a crash, or a newer save need no rule of their own.
"""
