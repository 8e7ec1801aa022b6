// The machine `rowmac` with its memory, an event log, and what lets a bench wait for one signal.
// Everything that happens in every clock cycle happens here; cocotb drives the clock, the
// AXI4-Lite port, and the controls of the memory.
module system #(
    parameter DATA_WIDTH = 64,
    parameter MEMORY_BYTES = 1 << 20,
    parameter UNITS = 1,
    parameter EVENTS = 1048576
) (
    input clk,
    input rst,

    input [11:0] s_axil_awaddr,
    input [2:0] s_axil_awprot,
    input s_axil_awvalid,
    output s_axil_awready,
    input [31:0] s_axil_wdata,
    input [3:0] s_axil_wstrb,
    input s_axil_wvalid,
    output s_axil_wready,
    output [1:0] s_axil_bresp,
    output s_axil_bvalid,
    input s_axil_bready,
    input [11:0] s_axil_araddr,
    input [2:0] s_axil_arprot,
    input s_axil_arvalid,
    output s_axil_arready,
    output [31:0] s_axil_rdata,
    output [1:0] s_axil_rresp,
    output s_axil_rvalid,
    input s_axil_rready,

    // See axi_ram.
    input [31:0] read_latency,
    input [31:0] write_latency,
    input [7:0] max_reads,
    input [7:0] max_writes,
    input [15:0] rate,
    input [7:0] stall_ar,
    input [7:0] stall_r,
    input [7:0] stall_aw,
    input [7:0] stall_w,
    input [7:0] stall_b,
    input [7:0] early,
    input [31:0] seed,
    input [31:0] fault_first,
    input [31:0] fault_last,
    input [1:0] fault_read,
    input [1:0] fault_write,
    input load,
    input dump,
    input [31:0] file,
    input [31:0] load_word,
    input [31:0] dump_word,
    input [31:0] dump_words,
    output [31:0] loaded,
    output [3:0] violation,
    output [31:0] violation_address,
    output [31:0] read_bursts,
    output [31:0] read_beats,
    output [31:0] write_bursts,
    output [31:0] write_beats,

    // See event_log.
    input dump_events,
    output [31:0] events,
    output [31:0] events_lost,

    // `wake` rises when the machine interrupts, breaks a rule of the bus, or `deadline` is reached.
    input [31:0] deadline,
    output reg [31:0] cycle,
    output interrupted,
    output wake
);
    always @(posedge clk) cycle <= rst ? 32'd0 : cycle + 32'd1;
    assign wake = interrupted || violation != 0 || cycle >= deadline;

    wire [31:0] araddr, awaddr;
    wire [7:0] arlen, awlen;
    wire [2:0] arsize, awsize;
    wire [1:0] arburst, awburst;
    wire arvalid, arready, awvalid, awready;
    wire [DATA_WIDTH-1:0] rdata, wdata;
    wire [DATA_WIDTH/8-1:0] wstrb;
    wire [1:0] rresp, bresp;
    wire rlast, rvalid, rready, wlast, wvalid, wready, bvalid, bready;
    wire [3:0] unused_arcache, unused_awcache;
    wire [2:0] unused_arprot, unused_awprot;
    wire [UNITS-1:0] event_start, event_done;
    wire [16*UNITS-1:0] event_tag;

    rowmac dut (
        .clk(clk),
        .rst(rst),
        .interrupt(interrupted),
        .event_start(event_start),
        .event_done(event_done),
        .event_tag(event_tag),
        .s_axil_awaddr(s_axil_awaddr),
        .s_axil_awprot(s_axil_awprot),
        .s_axil_awvalid(s_axil_awvalid),
        .s_axil_awready(s_axil_awready),
        .s_axil_wdata(s_axil_wdata),
        .s_axil_wstrb(s_axil_wstrb),
        .s_axil_wvalid(s_axil_wvalid),
        .s_axil_wready(s_axil_wready),
        .s_axil_bresp(s_axil_bresp),
        .s_axil_bvalid(s_axil_bvalid),
        .s_axil_bready(s_axil_bready),
        .s_axil_araddr(s_axil_araddr),
        .s_axil_arprot(s_axil_arprot),
        .s_axil_arvalid(s_axil_arvalid),
        .s_axil_arready(s_axil_arready),
        .s_axil_rdata(s_axil_rdata),
        .s_axil_rresp(s_axil_rresp),
        .s_axil_rvalid(s_axil_rvalid),
        .s_axil_rready(s_axil_rready),
        .m_axi_araddr(araddr),
        .m_axi_arlen(arlen),
        .m_axi_arsize(arsize),
        .m_axi_arburst(arburst),
        .m_axi_arcache(unused_arcache),
        .m_axi_arprot(unused_arprot),
        .m_axi_arvalid(arvalid),
        .m_axi_arready(arready),
        .m_axi_rdata(rdata),
        .m_axi_rresp(rresp),
        .m_axi_rlast(rlast),
        .m_axi_rvalid(rvalid),
        .m_axi_rready(rready),
        .m_axi_awaddr(awaddr),
        .m_axi_awlen(awlen),
        .m_axi_awsize(awsize),
        .m_axi_awburst(awburst),
        .m_axi_awcache(unused_awcache),
        .m_axi_awprot(unused_awprot),
        .m_axi_awvalid(awvalid),
        .m_axi_awready(awready),
        .m_axi_wdata(wdata),
        .m_axi_wstrb(wstrb),
        .m_axi_wlast(wlast),
        .m_axi_wvalid(wvalid),
        .m_axi_wready(wready),
        .m_axi_bresp(bresp),
        .m_axi_bvalid(bvalid),
        .m_axi_bready(bready)
    );

    axi_ram #(
        .DATA_WIDTH(DATA_WIDTH),
        .MEMORY_BYTES(MEMORY_BYTES)
    ) ram (
        .clk(clk),
        .rst(rst),
        .s_axi_araddr(araddr),
        .s_axi_arlen(arlen),
        .s_axi_arsize(arsize),
        .s_axi_arburst(arburst),
        .s_axi_arvalid(arvalid),
        .s_axi_arready(arready),
        .s_axi_rdata(rdata),
        .s_axi_rresp(rresp),
        .s_axi_rlast(rlast),
        .s_axi_rvalid(rvalid),
        .s_axi_rready(rready),
        .s_axi_awaddr(awaddr),
        .s_axi_awlen(awlen),
        .s_axi_awsize(awsize),
        .s_axi_awburst(awburst),
        .s_axi_awvalid(awvalid),
        .s_axi_awready(awready),
        .s_axi_wdata(wdata),
        .s_axi_wstrb(wstrb),
        .s_axi_wlast(wlast),
        .s_axi_wvalid(wvalid),
        .s_axi_wready(wready),
        .s_axi_bresp(bresp),
        .s_axi_bvalid(bvalid),
        .s_axi_bready(bready),
        .read_latency(read_latency),
        .write_latency(write_latency),
        .max_reads(max_reads),
        .max_writes(max_writes),
        .rate(rate),
        .stall_ar(stall_ar),
        .stall_r(stall_r),
        .stall_aw(stall_aw),
        .stall_w(stall_w),
        .stall_b(stall_b),
        .early(early),
        .seed(seed),
        .fault_first(fault_first),
        .fault_last(fault_last),
        .fault_read(fault_read),
        .fault_write(fault_write),
        .load(load),
        .dump(dump),
        .file(file),
        .load_word(load_word),
        .dump_word(dump_word),
        .dump_words(dump_words),
        .loaded(loaded),
        .violation(violation),
        .violation_address(violation_address),
        .read_bursts(read_bursts),
        .read_beats(read_beats),
        .write_bursts(write_bursts),
        .write_beats(write_beats)
    );

    event_log #(
        .UNITS(UNITS),
        .DEPTH(EVENTS)
    ) recorder (
        .clk(clk),
        .rst(rst),
        .cycle(cycle),
        .start(event_start),
        .done(event_done),
        .tag(event_tag),
        .dump(dump_events),
        .file(file),
        .count(events),
        .lost(events_lost)
    );
endmodule
