// Sends messages with simple-hl7's client, one after the other, and says what went out and what came back.
// stdin: one JSON object a line {text, port, answered}, without a port it is only written; stdout: one a line {sent: hex, code, id}, code "" where none was wanted.
const hl7 = require(`${process.argv[2]}/simple-hl7`)
const readline = require('readline')

const parser = new hl7.Parser({ segmentSeperator: '\r' })
const clients = new Map()

function clientOf (port) {
  if (!clients.has(port)) clients.set(port, hl7.Server.createTcpClient({ host: '127.0.0.1', port, keepalive: true }))
  return clients.get(port)
}

function send (port, message, answered) {
  const client = clientOf(port)
  return new Promise((resolve, reject) => {
    const done = (error, ack) => error ? reject(error) : resolve(ack)
    client.send(message, done)
    if (answered) return
    // the library knows no message without an answer: hand it to the socket and go on
    const settle = () => {
      if (!client.client || client.client.connecting) return setTimeout(settle, 1)
      client.client.write('', () => { client.awaitingResponse = false; resolve(null) })
    }
    settle()
  })
}

async function main () {
  for await (const line of readline.createInterface({ input: process.stdin })) {
    const { port, text, answered } = JSON.parse(line)
    const message = parser.parse(text)
    const sent = Buffer.from(message.toString(), 'utf8').toString('hex')
    const ack = port ? await send(port, message, answered) : null
    const msa = ack && ack.getSegment('MSA')
    const field = (n) => msa.fields.length >= n ? msa.getField(n).toString() : ''
    console.log(JSON.stringify({ sent, code: msa ? field(1) : '', id: msa ? field(2) : '' }))
  }
  for (const client of clients.values()) client.close()
}

main().catch((error) => { console.error(String(error)); process.exit(1) })
