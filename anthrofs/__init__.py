"""The Anthropic Files API mounted as a directory, so that cp, mv, rsync, vim and a file browser work on remote files.

This is the map. Five ideas:

    Desired state, not a log.   A node says what the user wants of a name and what the server has. What is to be sent,
        or deleted, is the difference: saves, renames and removals coalesce by themselves, and after a crash there is
        nothing to replay. tree/node_states.py draws what a node can be.
    One content a node.         All handles of a node see the same bytes; others' changes show after the last release.
    Stages are sealed.          Unsent content is a file of its own, a stage. A close seals it: it never changes
        again, so it can be sent, sent again, and read meanwhile. The next write copies it into a new one.
    Ids never change.           A file id names the same bytes for ever: blocks are cached by id, an edit makes a new
        id, and the old one is deleted after the new one is there.
    The kernel remembers.       Names and sizes for as long as it was told, pages for as long as an open lets it: what
        changes under it is told, waited for, or read around (fs/kernel_cache.py).

Rooms. Each imports only those below it, and its face (__init__.py) says where to begin:

    cli         what people type
    web         a page in a browser that shows what mounts do
    doctor      what is wrong on a machine, and what mends it
    service     mounts that systemd or mount(8) starts
    client      how other processes ask a running mount      settings    what people set: flags, variables, their file
    daemon      one mount's life, and the answers that it gives; build.py has all constructors
    fuse        the kernel's border, and the errno gate
    fs          what each file operation means
    upload      from a promise to the server
    sync        the tree in step with the server       download    from the server to a reader
    fleet       what many mounts share: a store of contents, a board of notes; only a mount of a fleet imports it
    remote      the Files API as five calls            tree        state.db: nodes, queues, who has what open
    store       bytes on this disk                         desktop    what a desktop is told, if there is one
    config · names · attribute_names · local_names · model · clock · worker · errors · text · journal · state_place
                words that everybody uses
    emulator    apart: it imports nothing of the above, an independent witness of the protocol

A read: kernel (its page cache, if the open let it keep that) → fuse/operations → fs/open_files → fs/contents: the
stage, if content is local; else download/reader → store/block_cache (memory, then disk, checked) → for what is
missing the file's one running download, joined or started. Its thread (download/transfers) takes what course.py asks
for and bodies.py believes, from remote/, hands runs of blocks over, then stores them.

A write: kernel → fuse/operations → fs/open_files → fs/contents: the node's stage, copied first if it is sealed. A
close: fs/open_files → fs/contents: seal, fdatasync, one transaction (tree/promises: the name shows this, this must be
sent) → upload/uploader is woken, and in wait mode the close waits (upload/close_waits). An upload thread takes the
next item of upload/schedule → upload/delivery: `sending` committed → a multipart body streamed from the stage,
through remote/ → id, and the size that was sent → hard link as kept copy → one transaction (the node has the id, the
old id is to be deleted, the content is owed to the fleet's store, if there is one) → the waiting close returns, and the
stage is removed. The store gets it behind that, from the kept copy (fleet/sharer).

A rename changes rows only (tree/intents): the node's name, the server name that is wanted for it, and that its
content is to be sent again. upload/restaging makes a stage of what the server has, and an attempt; from there on as
above. So a rename there and back, a crash, or a newer save need no rule of their own.

On disk, below the state directory:

    state.db            tree/
    staging/<number>    store/staging: open, the node's handles have it; sealed, the uploader. Rows say which are
        promised
    cache/, kept/       store/block_cache: blocks that came from the server; whole copies of our own uploads
    requests            remote/budget: the moments of the last minute's
    workspace           store/neighbours: whose files these are
    lock, control.sock  store/state_dir, daemon/control_address
    anthrofs.log        daemon/process

Locks, in the order in which they may be taken. Nobody holds one while waiting for the network, for a thread, or for a
sync of big data; but Content.promising, which comes before all and keeps two closes of one node apart, is held while
the first one syncs.

    1  open_table.Content.lock      one node's content
    2  database.Database            tree and queues
    3  block_cache.BlockCache       what is in memory, what is on disk
    4  reader.Reader                downloads and who waits for them
    Leaves, under which no other is taken: all others.

Words, each for one thing:

    attempt         one try to bring a node's content to the server; upload_queue.NEXT is its life
    backoff         the wait before something is tried again
    block, run      128 KiB of a file, the unit of the cache; blocks side by side
    board           notes that the mounts of a fleet write for each other; by its roll they see who is there
    budget, pace    how many requests a minute may have; who goes next within it
    chunk           up to 4 MiB of a file, sealed, as a fleet's store has it
    content         what the handles of an open node share
    deletion queue  ids that the user doesn't want any more; a deleted one leaves a tombstone for an hour
    drain           the wait until everything is on the server, and in the fleet's store
    fleet           mounts of one workspace with one key, which share a store of contents, or a board, or both
    gate, probe     whether a kind of request may be made now; the one that finds out (remote/way.py)
    glance          a read that nobody asked for: a thumbnailer's, an indexer's, a browser's of a file's type
    helper file     a program's temporary file, which stays on this machine (a local name)
    history         the ids that paths have had
    kept copy       a whole own upload on this disk: the service gives uploads back to nobody
    listing, page   the server's list of files, which comes in pages (the kernel's are in its page cache)
    lookup          a node found by its directory and name
    mirror          what the server has, as the tree shows it
    neighbour       another state of this user and of the same workspace, from whose kept copies a mount reads
    node            an inode with its one name; its number never changes
    open table      who has which node open
    profile         a name for what a person has set for a mount, and for its state (the SDKs' profiles are logins)
    promise         the commit by which a name shows a stage
    readahead       the early fetch of files in a directory that is read in order
    refresh, sweep  a listing's newest pages, for what is new; a whole listing, for what is gone
    resend          the content that the server has is to be sent again, under another name or type
    scan            how far a listing was read
    seal            no more writes to a stage; the next one makes a new stage
    setting         an option of a mount: a flag, a variable and a key in a file at once (settings/table.py)
    share           a content is put into a fleet's store, or is there; what is owed to that is a row (tree/shares.py)
    stage           unsent content: a file in staging/
    upload queue    the attempts
    view            an entry of .by-id: what an id names, whatever its node holds
    way             the path to the service, as a whole: the key, the account, the proxies
    workspace       whose files a state mirrors
"""
