// One call of a tool of MCP's file system server, as a client makes it:
//   node mcp.mjs DIRECTORY write_file FILE CONTENT        node mcp.mjs DIRECTORY edit_file FILE OLD NEW
// Prints nothing; exits with 1 and the answer when it is an error.
import {spawn} from 'node:child_process';
import {fileURLToPath} from 'node:url';

const [directory, tool, path, ...texts] = process.argv.slice(2);
const values = tool === 'write_file' ? {path, content: texts[0]} : {path, edits: [{oldText: texts[0], newText: texts[1]}]};
const program = fileURLToPath(new URL('node_modules/.bin/mcp-server-filesystem', import.meta.url));
const server = spawn(program, [directory], {stdio: ['pipe', 'pipe', 'ignore']});
const waiting = new Map();
let id = 0, rest = '';
server.stdout.on('data', data => {
    rest += data;
    for (let end; (end = rest.indexOf('\n')) >= 0; rest = rest.slice(end + 1)) {
        const answer = JSON.parse(rest.slice(0, end));
        waiting.get(answer.id)?.(answer);
    }
});
const send = message => server.stdin.write(JSON.stringify({jsonrpc: '2.0', ...message}) + '\n');
const ask = (method, params) => new Promise(answered => {
    waiting.set(++id, answered);
    send({id, method, params});
});

await ask('initialize', {protocolVersion: '2024-11-05', capabilities: {}, clientInfo: {name: 'test', version: '1'}});
send({method: 'notifications/initialized'});
const answer = await ask('tools/call', {name: tool, arguments: values});
if (answer.error || answer.result.isError) {
    console.error(JSON.stringify(answer));
    process.exitCode = 1;
}
server.stdin.end();
