// axi_ram with identifiers, which are always 0, for a master that needs them.
module ram_bench #(
    parameter WIDTH = 64
) (
    input clk, input rst,
    input awid, input [31:0] awaddr, input [7:0] awlen, input [2:0] awsize, input [1:0] awburst,
    input awvalid, output awready,
    input [WIDTH-1:0] wdata, input [WIDTH/8-1:0] wstrb, input wlast, input wvalid, output wready,
    output bid, output [1:0] bresp, output bvalid, input bready,
    input arid, input [31:0] araddr, input [7:0] arlen, input [2:0] arsize, input [1:0] arburst,
    input arvalid, output arready,
    output rid, output [WIDTH-1:0] rdata, output [1:0] rresp, output rlast, output rvalid,
    input rready,
    input [7:0] stall, input [31:0] seed, input [31:0] latency, input [15:0] rate,
    output [3:0] violation, output [31:0] read_beats, output [31:0] write_beats
);
    assign bid = 0;
    assign rid = 0;
    wire [127:0] unused;
    wire unused_ids = awid | arid;

    axi_ram #(.DATA_WIDTH(WIDTH), .MEMORY_BYTES(16384), .MAX_BEATS(256)) ram (
        .clk(clk), .rst(rst),
        .s_axi_araddr(araddr), .s_axi_arlen(arlen), .s_axi_arsize(arsize),
        .s_axi_arburst(arburst), .s_axi_arvalid(arvalid), .s_axi_arready(arready),
        .s_axi_rdata(rdata), .s_axi_rresp(rresp), .s_axi_rlast(rlast), .s_axi_rvalid(rvalid),
        .s_axi_rready(rready),
        .s_axi_awaddr(awaddr), .s_axi_awlen(awlen), .s_axi_awsize(awsize),
        .s_axi_awburst(awburst), .s_axi_awvalid(awvalid), .s_axi_awready(awready),
        .s_axi_wdata(wdata), .s_axi_wstrb(wstrb), .s_axi_wlast(wlast), .s_axi_wvalid(wvalid),
        .s_axi_wready(wready),
        .s_axi_bresp(bresp), .s_axi_bvalid(bvalid), .s_axi_bready(bready),
        .read_latency(latency), .write_latency(latency), .max_reads(8), .max_writes(8),
        .rate(rate),
        .stall_ar(stall), .stall_r(stall), .stall_aw(stall), .stall_w(stall), .stall_b(stall),
        .early(8'd128), .seed(seed),
        .fault_first(0), .fault_last(0), .fault_read(0), .fault_write(0),
        .load(0), .dump(0), .file(0), .load_word(0), .dump_word(0), .dump_words(0),
        .loaded(unused[31:0]), .violation(violation), .violation_address(unused[63:32]),
        .read_bursts(unused[95:64]), .read_beats(read_beats),
        .write_bursts(unused[127:96]), .write_beats(write_beats)
    );
endmodule
