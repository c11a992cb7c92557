// A PACS by simple-hl7's server: answers each message with the library's own acknowledgement.
// stdout: the port, then each message as hex, one a line.
const hl7 = require(`${process.argv[2]}/simple-hl7`)

const server = hl7.Server.createTcpServer((error, request, response) => {
  if (error) return console.error(String(error))
  console.log(Buffer.from(request.raw, 'utf8').toString('hex'))
  response.end()
})
server.start(0)
server.server.on('listening', () => console.log(server.server.address().port))
